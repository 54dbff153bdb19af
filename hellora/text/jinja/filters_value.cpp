#include <array>
#include <cmath>

#include "hellora/core/text.h"
#include "hellora/text/jinja/filters.h"
#include "hellora/text/jinja/text_work.h"

namespace hellora::jinja {
namespace {

Value otherwise(Machine&, const Value& self, const Bound& args) {
  const bool replace = is(self, Kind::undefined) || (flag(args[1]) && !truth(self));
  return replace ? given(args[0], view("")) : self;
}

int64_t truncated(const Machine& machine, double value) {
  if (!(std::fabs(value) < 9.2e18)) machine.fail("int: a number does not fit into 64 signed bits");
  return static_cast<int64_t>(value);
}

Value to_integer(Machine& machine, const Value& self, const Bound& args) {
  require_defined(machine, self);
  const Value fallback = given(args[0], integer(0));
  if (is_integral(self)) return integer(as_integer(self));
  if (is(self, Kind::number)) return std::isnan(self.number) ? fallback : integer(truncated(machine, self.number));
  if (!is(self, Kind::string)) return fallback;
  const int64_t base = integer_argument(machine, given(args[1], integer(10)), "base");
  if (base < 0 || base > 36) machine.fail("int: base must be 0 or from 2 to 36");
  if (const std::optional<int64_t> whole = parse_integer(machine, self.text, static_cast<int>(base))) return integer(*whole);
  const std::optional<double> parsed = parse_number(self.text);
  return parsed && std::isfinite(*parsed) ? integer(truncated(machine, *parsed)) : fallback;
}

Value to_number(Machine& machine, const Value& self, const Bound& args) {
  require_defined(machine, self);
  if (is_numeric(self)) return number(as_number(self));
  if (is(self, Kind::string)) {
    if (const std::optional<double> parsed = parse_number(self.text)) return number(*parsed);
  }
  return given(args[0], number(0));
}

Value absolute(Machine& machine, const Value& self, const Bound&) {
  if (is(self, Kind::number)) return number(std::fabs(self.number));
  if (!is_integral(self)) return negative(machine, "abs", self);  // fails with the type
  return as_integer(self) < 0 ? negative(machine, "-", self) : integer(as_integer(self));
}

Value round_number(Machine& machine, const Value& self, const Bound& args) {
  const int64_t precision = integer_argument(machine, given(args[0], integer(0)), "precision");
  const std::string_view method = args[1] == nullptr ? "common" : text_argument(machine, *args[1], "method");
  require_defined(machine, self);
  if (!is_numeric(self)) machine.fail("round does not take a value of type " + std::string(type_name(self)));
  if (precision < 0 || precision > 100) machine.fail("round: precision must be from 0 to 100");
  if (method == "common") {
    if (is_integral(self)) return integer(as_integer(self));
    // Printing rounds the exact value and halves to even, as Python's round does.
    return std::isfinite(self.number) ? number(parse_number(fixed(self.number, static_cast<int>(precision))).value_or(0)) : self;
  }
  if (method != "ceil" && method != "floor") machine.fail("round: method must be common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision)), scaled = as_number(self) * scale;
  if (!std::isfinite(scaled)) machine.fail("round: the number is not finite");
  return number((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value sum(Machine& machine, const Value& self, const Bound& args) {
  Value total = given(args[1], integer(0));
  for (const Value& one : iterate(machine, self)) total = arithmetic(machine, "+", total, path(machine, one, args[0]));
  return total;
}

/// The first item that no other is beyond; `sign` is -1 for min, 1 for max.
Value extreme(Machine& machine, const Value& self, const Bound& args, int sign) {
  const std::vector<Value> items = iterate(machine, self);
  if (items.empty()) return undefined("the extreme of nothing");
  const auto key = [&](const Value& one) { return folded(machine, path(machine, one, args[1]), flag(args[0])); };
  Value best = items[0];
  for (size_t i = 1; i < items.size(); ++i) {
    if (compare(machine, key(items[i]), key(best), "<") == sign) best = items[i];
  }
  return best;
}

Value least(Machine& machine, const Value& self, const Bound& args) { return extreme(machine, self, args, -1); }
Value greatest(Machine& machine, const Value& self, const Bound& args) { return extreme(machine, self, args, 1); }

constexpr std::array<Routine, 9> kFilters = {{
    {"default", "default_value? boolean?", otherwise},
    {"d", "default_value? boolean?", otherwise},
    {"int", "default? base?", to_integer},
    {"float", "default?", to_number},
    {"abs", "", absolute},
    {"round", "precision? method?", round_number},
    {"sum", "attribute? start?", sum},
    {"min", "case_sensitive? attribute?", least},
    {"max", "case_sensitive? attribute?", greatest},
}};

}  // namespace

std::span<const Routine> value_filters() { return kFilters; }

std::span<const Routine> filters() {
  static const std::vector<Routine> all = [] {
    std::vector<Routine> rows;
    for (const std::span<const Routine> part : {text_filters(), list_filters(), value_filters()}) {
      rows.insert(rows.end(), part.begin(), part.end());
    }
    return rows;
  }();
  return all;
}

}  // namespace hellora::jinja
