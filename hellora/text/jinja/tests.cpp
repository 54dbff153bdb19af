#include <array>

#include "hellora/text/jinja/filters.h"
#include "hellora/text/jinja/unicode.h"

namespace hellora::jinja {
namespace {

Value defined(Machine&, const Value& self, const Bound&) { return boolean(!is(self, Kind::undefined)); }

template <Kind kKind>
Value of_kind(Machine&, const Value& self, const Bound&) {
  return boolean(is(self, kKind));
}

Value numeric(Machine&, const Value& self, const Bound&) { return boolean(is_numeric(self)); }

Value iterable(Machine&, const Value& self, const Bound&) {
  return boolean(is(self, Kind::undefined) || is(self, Kind::string) || is(self, Kind::list) || is(self, Kind::dict) ||
                 is(self, Kind::loop));
}

/// Has a length and can be indexed.
Value sequence(Machine&, const Value& self, const Bound&) {
  const bool indexed = is_style(self, Style::list) || is_style(self, Style::tuple) || is_style(self, Style::range);
  return boolean(indexed || is(self, Kind::undefined) || is(self, Kind::string) || is(self, Kind::dict));
}

template <bool kValue>
Value exactly(Machine&, const Value& self, const Bound&) {
  return boolean(is(self, Kind::boolean) && self.boolean == kValue);
}

Value divided(Machine& machine, const Value& self, const Value& by) { return arithmetic(machine, "%", self, by); }

Value odd(Machine& machine, const Value& self, const Bound&) {
  return boolean(equal(machine, divided(machine, self, integer(2)), integer(1)));
}
Value even(Machine& machine, const Value& self, const Bound&) {
  return boolean(equal(machine, divided(machine, self, integer(2)), integer(0)));
}
Value divisible(Machine& machine, const Value& self, const Bound& args) {
  return boolean(equal(machine, divided(machine, self, *args[0]), integer(0)));
}

Value equal_to(Machine& machine, const Value& self, const Bound& args) { return boolean(equal(machine, self, *args[0])); }
Value not_equal(Machine& machine, const Value& self, const Bound& args) { return boolean(!equal(machine, self, *args[0])); }
Value among(Machine& machine, const Value& self, const Bound& args) { return boolean(contains(machine, *args[0], self)); }

template <char kSymbol, bool kOrEqual>
Value ordered(Machine& machine, const Value& self, const Bound& args) {
  const int order = compare(machine, self, *args[0], kSymbol == '<' ? "<" : ">");
  if (order == 2) return boolean(false);
  return boolean((kOrEqual && order == 0) || (kSymbol == '<' ? order < 0 : order > 0));
}

/// str.islower and str.isupper: some cased character, none of the other case.
template <bool kUpper>
Value in_case(Machine& machine, const Value& self, const Bound&) {
  const std::string_view text = text_of(machine, self);
  const bool cased = upper(text) != lower(text);
  return boolean(cased && (kUpper ? upper(text) : lower(text)) == text);
}

constexpr std::array<Routine, 36> kTests = {{
    {"defined", "", defined},
    {"undefined", "", of_kind<Kind::undefined>},
    {"none", "", of_kind<Kind::none>},
    {"string", "", of_kind<Kind::string>},
    {"mapping", "", of_kind<Kind::dict>},
    {"number", "", numeric},
    {"integer", "", of_kind<Kind::integer>},
    {"float", "", of_kind<Kind::number>},
    {"boolean", "", of_kind<Kind::boolean>},
    {"callable", "", of_kind<Kind::function>},
    {"iterable", "", iterable},
    {"sequence", "", sequence},
    {"true", "", exactly<true>},
    {"false", "", exactly<false>},
    {"odd", "", odd},
    {"even", "", even},
    {"divisibleby", "num", divisible},
    {"in", "seq", among},
    {"equalto", "other", equal_to},
    {"eq", "other", equal_to},
    {"==", "other", equal_to},
    {"ne", "other", not_equal},
    {"!=", "other", not_equal},
    {"gt", "other", ordered<'>', false>},
    {"greaterthan", "other", ordered<'>', false>},
    {">", "other", ordered<'>', false>},
    {"ge", "other", ordered<'>', true>},
    {">=", "other", ordered<'>', true>},
    {"lt", "other", ordered<'<', false>},
    {"lessthan", "other", ordered<'<', false>},
    {"<", "other", ordered<'<', false>},
    {"le", "other", ordered<'<', true>},
    {"<=", "other", ordered<'<', true>},
    {"lower", "", in_case<false>},
    {"upper", "", in_case<true>},
    {"sameas", "other", nullptr},
}};

}  // namespace

std::span<const Routine> tests() { return kTests; }

}  // namespace hellora::jinja
