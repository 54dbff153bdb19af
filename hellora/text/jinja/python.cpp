#include "hellora/text/jinja/python.h"

#include <algorithm>

#include "hellora/text/jinja/unicode.h"

namespace hellora::jinja {
namespace {

int sign_of(bool less, bool more) { return less ? -1 : more ? 1 : 0; }

bool equal_lists(Machine& machine, const List& a, const List& b) {
  if (&a == &b) return true;
  if (a.style != b.style || a.style == Style::iterator || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!equal(machine, a.items[i], b.items[i])) return false;
  }
  return true;
}

bool equal_dicts(Machine& machine, const Dict& a, const Dict& b) {
  if (&a == &b) return true;
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = find_key(machine, b, key);
    if (other == nullptr || !equal(machine, value, *other)) return false;
  }
  return true;
}

}  // namespace

bool is_integral(const Value& value) { return is(value, Kind::integer) || is(value, Kind::boolean); }
bool is_numeric(const Value& value) { return is_integral(value) || is(value, Kind::number); }
int64_t as_integer(const Value& value) { return is(value, Kind::boolean) ? static_cast<int64_t>(value.boolean) : value.integer; }
double as_number(const Value& value) { return is(value, Kind::number) ? value.number : static_cast<double>(as_integer(value)); }

bool truth(const Value& value) {
  switch (value.kind) {
    case Kind::undefined:
    case Kind::none: return false;
    case Kind::boolean: return value.boolean;
    case Kind::integer: return value.integer != 0;
    case Kind::number: return value.number != 0;
    case Kind::string: return !value.text.empty();
    case Kind::list: return value.list->style == Style::iterator || !value.list->items.empty();
    case Kind::dict: return !value.dict->entries.empty();
    default: return true;
  }
}

bool equal(Machine& machine, const Value& a, const Value& b) {
  const Machine::Level level(machine);
  machine.tick();
  if (is_integral(a) && is_integral(b)) return as_integer(a) == as_integer(b);
  if (is_numeric(a) && is_numeric(b)) return compare(machine, a, b, "==") == 0;
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::undefined:
    case Kind::none: return true;
    case Kind::string: return a.text == b.text;
    case Kind::list: return equal_lists(machine, *a.list, *b.list);
    case Kind::dict: return equal_dicts(machine, *a.dict, *b.dict);
    case Kind::space: return a.space == b.space;
    case Kind::loop: return a.loop == b.loop;
    default: return a.function == b.function;
  }
}

int compare(Machine& machine, const Value& a, const Value& b, std::string_view symbol) {
  const Machine::Level level(machine);
  machine.tick();
  if (is_integral(a) && is_integral(b)) return sign_of(as_integer(a) < as_integer(b), as_integer(a) > as_integer(b));
  if (is_numeric(a) && is_numeric(b)) {
    // 64 bits of mantissa: an integer beside a float is compared as it is
    const auto wide = [](const Value& v) {
      return is(v, Kind::number) ? static_cast<long double>(v.number) : static_cast<long double>(as_integer(v));
    };
    const long double x = wide(a), y = wide(b);
    return x != x || y != y ? 2 : sign_of(x<y, x> y);  // NaN is not equal to itself
  }
  if (is(a, Kind::string) && is(b, Kind::string)) return sign_of(a.text<b.text, a.text> b.text);
  const bool sequences = (is_style(a, Style::list) && is_style(b, Style::list)) || (is_style(a, Style::tuple) && is_style(b, Style::tuple));
  if (sequences) {
    const std::vector<Value>&x = a.list->items, &y = b.list->items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!equal(machine, x[i], y[i])) return compare(machine, x[i], y[i], symbol);
    }
    return sign_of(x.size() < y.size(), x.size() > y.size());
  }
  require_defined(machine, a);
  require_defined(machine, b);
  machine.fail(std::string(symbol).append(" does not order ").append(type_name(a)).append(" and ").append(type_name(b)));
}

bool contains(Machine& machine, const Value& container, const Value& needle) {
  if (is(container, Kind::string)) {
    if (!is(needle, Kind::string)) machine.fail("a string holds only strings, not " + std::string(type_name(needle)));
    machine.tick(static_cast<int64_t>(container.text.size() / 64));
    return container.text.find(needle.text) != std::string_view::npos;
  }
  if (is(container, Kind::dict)) {
    if (!is_hashable(needle)) machine.fail("a " + std::string(type_name(needle)) + " cannot be a key");
    return find_key(machine, *container.dict, needle) != nullptr;
  }
  const std::vector<Value> items = iterate(machine, container);
  return std::any_of(items.begin(), items.end(), [&](const Value& one) { return equal(machine, one, needle); });
}

std::optional<std::vector<Value>> try_iterate(Machine& machine, const Value& value) {
  std::vector<Value> out;
  switch (value.kind) {
    case Kind::undefined: break;
    case Kind::string:
      for (const std::string_view one : characters(value.text)) out.push_back(view(one));
      break;
    case Kind::list:
      if (value.list->style == Style::iterator) {
        out.swap(value.list->items);
      } else {
        out = value.list->items;
      }
      break;
    case Kind::dict:
      for (const Entry& entry : value.dict->entries) out.push_back(entry.first);
      break;
    default: return std::nullopt;
  }
  machine.tick(static_cast<int64_t>(out.size()));
  return out;
}

std::vector<Value> iterate(Machine& machine, const Value& value) {
  std::optional<std::vector<Value>> items = try_iterate(machine, value);
  if (!items) machine.fail("a value of type " + std::string(type_name(value)) + " cannot be iterated over");
  return std::move(*items);
}

bool has_length(const Value& value) {
  return is(value, Kind::undefined) || is(value, Kind::string) || is(value, Kind::dict) || is(value, Kind::loop) ||
         (is(value, Kind::list) && value.list->style != Style::iterator);
}

int64_t length(Machine& machine, const Value& value) {
  if (!has_length(value)) machine.fail("a value of type " + std::string(type_name(value)) + " has no length");
  switch (value.kind) {
    case Kind::string: return count_characters(value.text);
    case Kind::list: return static_cast<int64_t>(value.list->items.size());
    case Kind::dict: return static_cast<int64_t>(value.dict->entries.size());
    case Kind::loop: return static_cast<int64_t>(value.loop->items.size());
    default: return 0;
  }
}

void require_defined(const Machine& machine, const Value& value) {
  if (!is(value, Kind::undefined)) return;
  std::string what(value.text.empty() ? "a value" : value.text);
  machine.fail(what.append(" is undefined"));
}

std::string_view text_argument(const Machine& machine, const Value& value, std::string_view name) {
  require_defined(machine, value);
  if (!is(value, Kind::string)) machine.fail(std::string(name) + " must be a string, found " + std::string(type_name(value)));
  return value.text;
}

int64_t integer_argument(const Machine& machine, const Value& value, std::string_view name) {
  require_defined(machine, value);
  if (!is_integral(value)) machine.fail(std::string(name) + " must be an integer, found " + std::string(type_name(value)));
  return as_integer(value);
}

}  // namespace hellora::jinja
