#include <cmath>

#include "hellora/text/jinja/python.h"

namespace hellora::jinja {
namespace {

[[noreturn]] void unsupported(const Machine& machine, std::string_view symbol, const Value& a, const Value& b) {
  require_defined(machine, a);
  require_defined(machine, b);
  machine.fail("\"" + std::string(symbol) + "\" does not take " + std::string(type_name(a)) + " and " + std::string(type_name(b)));
}

void check(const Machine& machine, bool overflow) {
  if (overflow) machine.fail("an integer does not fit into 64 signed bits");
}

double floor_mod(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

double floor_divide(double a, double b) {
  const double quotient = (a - floor_mod(a, b)) / b;
  const double whole = std::floor(quotient);
  if (whole == 0) return std::copysign(0.0, a / b);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

int64_t integer_power(const Machine& machine, int64_t base, int64_t power) {
  int64_t out = 1;
  while (power > 0) {
    if ((power & 1) != 0) check(machine, __builtin_mul_overflow(out, base, &out));
    power >>= 1;
    if (power > 0) check(machine, __builtin_mul_overflow(base, base, &base));
  }
  return out;
}

Value integer_result(const Machine& machine, std::string_view symbol, int64_t a, int64_t b) {
  int64_t out = 0;
  if (symbol == "+") {
    check(machine, __builtin_add_overflow(a, b, &out));
  } else if (symbol == "-") {
    check(machine, __builtin_sub_overflow(a, b, &out));
  } else if (symbol == "*") {
    check(machine, __builtin_mul_overflow(a, b, &out));
  } else if (symbol == "**") {
    out = integer_power(machine, a, b);
  } else if (b == -1) {  // the smallest integer has no opposite
    if (symbol == "//") check(machine, __builtin_sub_overflow(int64_t{0}, a, &out));
  } else {
    const bool below = a % b != 0 && (a % b < 0) != (b < 0);  // C++ rounds towards zero, Python down
    out = symbol == "//" ? a / b - (below ? 1 : 0) : a % b + (below ? b : 0);
  }
  return integer(out);
}

Value numbers(const Machine& machine, std::string_view symbol, const Value& a, const Value& b) {
  const double x = as_number(a), y = as_number(b);
  if ((symbol == "/" || symbol == "//" || symbol == "%") && y == 0) machine.fail("division by zero");
  if (symbol == "/") return number(x / y);
  if (is_integral(a) && is_integral(b) && !(symbol == "**" && as_integer(b) < 0)) {
    return integer_result(machine, symbol, as_integer(a), as_integer(b));
  }
  if (symbol == "+") return number(x + y);
  if (symbol == "-") return number(x - y);
  if (symbol == "*") return number(x * y);
  if (symbol == "//") return number(floor_divide(x, y));
  if (symbol == "%") return number(floor_mod(x, y));
  if (x == 0 && y < 0) machine.fail("0 to a negative power");
  const double out = std::pow(x, y);
  if (!std::isfinite(out) && std::isfinite(x) && std::isfinite(y)) machine.fail("a power has no finite real value");
  return number(out);
}

Value repeated(Machine& machine, const Value& what, int64_t times) {
  const int64_t count = std::max<int64_t>(0, times);
  const auto size = static_cast<int64_t>(is(what, Kind::string) ? what.text.size() : what.list->items.size() * sizeof(Value));
  int64_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = INT64_MAX / 2;
  machine.reserve(bytes);  // before it is made
  if (is(what, Kind::list)) {
    std::vector<Value> items;
    for (int64_t i = 0; i < count && size > 0; ++i) items.insert(items.end(), what.list->items.begin(), what.list->items.end());
    return machine.list(std::move(items), what.list->style);
  }
  std::string text;
  for (int64_t i = 0; i < count && size > 0; ++i) text += what.text;
  return machine.string(std::move(text));
}

bool repeats(const Value& value) { return is(value, Kind::string) || is_style(value, Style::list) || is_style(value, Style::tuple); }

}  // namespace

Value arithmetic(Machine& machine, std::string_view symbol, const Value& a, const Value& b) {
  if (is_numeric(a) && is_numeric(b)) return numbers(machine, symbol, a, b);
  if (a.safe || b.safe) machine.fail("\"" + std::string(symbol) + "\" of a string that went through safe is not supported");
  if (symbol == "+" && is(a, Kind::string) && is(b, Kind::string)) return machine.string(std::string(a.text).append(b.text));
  const bool lists = (is_style(a, Style::list) && is_style(b, Style::list)) || (is_style(a, Style::tuple) && is_style(b, Style::tuple));
  if (symbol == "+" && lists) {
    std::vector<Value> items = a.list->items;
    items.insert(items.end(), b.list->items.begin(), b.list->items.end());
    return machine.list(std::move(items), a.list->style);
  }
  if (symbol == "*" && repeats(a) && is_integral(b)) return repeated(machine, a, as_integer(b));
  if (symbol == "*" && repeats(b) && is_integral(a)) return repeated(machine, b, as_integer(a));
  if (symbol == "%" && is(a, Kind::string)) machine.fail("formatting with % is not supported");
  unsupported(machine, symbol, a, b);
}

Value negative(Machine& machine, std::string_view symbol, const Value& a) {
  if (!is_numeric(a)) {
    require_defined(machine, a);
    machine.fail("\"" + std::string(symbol) + "\" does not take " + std::string(type_name(a)));
  }
  if (symbol == "+") return is(a, Kind::number) ? a : integer(as_integer(a));
  return is(a, Kind::number) ? number(-a.number) : integer_result(machine, "-", 0, as_integer(a));
}

}  // namespace hellora::jinja
