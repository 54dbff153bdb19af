#include <algorithm>

#include "hellora/text/jinja/python.h"
#include "hellora/text/jinja/unicode.h"

namespace hellora::jinja {
namespace {

Value neighbour(const Loop& loop, size_t at, bool there) { return there ? loop.items[at] : undefined("there is no neighbour in the loop"); }

Value changed(Machine& machine, const Value& self, const Bound& args) {
  Loop& loop = *self.loop;
  const std::vector<Value>& now = args.all->positional;
  const auto same = [&](const Value& a, const Value& b) { return equal(machine, a, b); };
  const bool unchanged =
      loop.changed_called && std::equal(now.begin(), now.end(), loop.last_changed.begin(), loop.last_changed.end(), same);
  loop.changed_called = true;
  loop.last_changed = now;
  return boolean(!unchanged);
}

Value cycle(Machine& machine, const Value& self, const Bound& args) {
  const std::vector<Value>& values = args.all->positional;
  if (values.empty()) machine.fail("loop.cycle needs a value");
  return values[self.loop->at % values.size()];
}

constexpr Routine kChanged{"changed", "*", changed}, kCycle{"cycle", "*", cycle};

Value loop_attribute(Machine& machine, const Value& value, std::string_view name) {
  const Loop& loop = *value.loop;
  const auto at = static_cast<int64_t>(loop.at), count = static_cast<int64_t>(loop.items.size());
  if (name == "index") return integer(at + 1);
  if (name == "index0") return integer(at);
  if (name == "revindex") return integer(count - at);
  if (name == "revindex0") return integer(count - at - 1);
  if (name == "first") return boolean(at == 0);
  if (name == "last") return boolean(at + 1 == count);
  if (name == "length") return integer(count);
  if (name == "depth") return integer(1);
  if (name == "depth0") return integer(0);
  if (name == "previtem") return neighbour(loop, loop.at - 1, at > 0);
  if (name == "nextitem") return neighbour(loop, loop.at + 1, at + 1 < count);
  if (name == "changed") return machine.function({name, &kChanged, value});
  if (name == "cycle") return machine.function({name, &kCycle, value});
  return undefined(name);
}

/// What Python finds as an attribute; undefined for none.
Value own_attribute(Machine& machine, const Value& value, std::string_view name) {
  if (is(value, Kind::loop)) return loop_attribute(machine, value, name);
  if (is(value, Kind::space)) {
    for (const auto& [known, held] : value.space->names) {
      if (known == name) return held;
    }
    return undefined(name);
  }
  const Routine* method = find_routine(methods(value), name);
  if (method == nullptr) return undefined(name);
  if (method->apply == nullptr) {
    machine.fail("method \"" + std::string(name) + "\" of " + std::string(type_name(value)) + " is not available in a template");
  }
  return machine.function({method->name, method, value});
}

bool is_unsafe(std::string_view name) { return name.starts_with("__"); }

std::optional<Value> at_index(const Value& value, int64_t index) {
  if (is(value, Kind::string)) {
    const std::vector<std::string_view> all = characters(value.text);
    if (index < 0) index += static_cast<int64_t>(all.size());
    if (index < 0 || index >= static_cast<int64_t>(all.size())) return std::nullopt;
    return view(all[static_cast<size_t>(index)]);
  }
  const std::vector<Value>& items = value.list->items;
  if (index < 0) index += static_cast<int64_t>(items.size());
  if (index < 0 || index >= static_cast<int64_t>(items.size())) return std::nullopt;
  return items[static_cast<size_t>(index)];
}

bool is_indexed(const Value& value) {
  return is(value, Kind::string) || is_style(value, Style::list) || is_style(value, Style::tuple) || is_style(value, Style::range);
}

struct Range {
  int64_t start, stop, step;
};

/// The positions that a slice of `size` items takes, as Python's slice.indices.
Range slice_range(Machine& machine, int64_t size, const Value& start, const Value& stop, const Value& step) {
  const auto part = [&](const Value& v, int64_t otherwise) {
    return is(v, Kind::none) ? otherwise : integer_argument(machine, v, "a slice");
  };
  Range out{0, 0, part(step, 1)};
  if (out.step == 0) machine.fail("the step of a slice is 0");
  const int64_t low = out.step < 0 ? -1 : 0, high = out.step < 0 ? size - 1 : size;
  const auto clamped = [&](int64_t i) { return std::clamp(i < 0 ? i + size : i, low, high); };
  out.start = is(start, Kind::none) ? (out.step < 0 ? high : low) : clamped(part(start, 0));
  out.stop = is(stop, Kind::none) ? (out.step < 0 ? low : high) : clamped(part(stop, 0));
  return out;
}

template <class Item>
std::vector<Item> pick(const std::vector<Item>& items, const Range& range) {
  std::vector<Item> out;
  const auto size = static_cast<int64_t>(items.size());
  // A step longer than the sequence takes one item; the bound keeps the addition from overflowing.
  const int64_t step = std::clamp(range.step, -size - 1, size + 1);
  for (int64_t i = range.start; step > 0 ? i < range.stop : i > range.stop; i += step) out.push_back(items[static_cast<size_t>(i)]);
  return out;
}

}  // namespace

bool is_hashable(const Value& value) {
  if (is(value, Kind::dict)) return false;
  if (!is(value, Kind::list)) return true;
  const List& list = *value.list;
  if (list.style == Style::tuple) return std::all_of(list.items.begin(), list.items.end(), is_hashable);
  return list.style == Style::range || list.style == Style::iterator;
}

const Value* find_key(Machine& machine, const Dict& dict, const Value& key) {
  machine.tick(static_cast<int64_t>(dict.entries.size() / 8));
  for (const Entry& entry : dict.entries) {
    if (entry.first.kind == Kind::string && key.kind == Kind::string ? entry.first.text == key.text : equal(machine, entry.first, key)) {
      return &entry.second;
    }
  }
  return nullptr;
}

const Value* find_key(const Dict& dict, std::string_view key) {
  for (const Entry& entry : dict.entries) {
    if (entry.first.kind == Kind::string && entry.first.text == key) return &entry.second;
  }
  return nullptr;
}

Value attribute(Machine& machine, const Value& value, std::string_view name) {
  require_defined(machine, value);
  const Value found = own_attribute(machine, value, name);
  if (!is(found, Kind::undefined)) return found;
  if (is(value, Kind::dict)) {
    if (const Value* held = find_key(*value.dict, name)) return *held;
  }
  if (is_unsafe(name)) machine.fail("attribute \"" + std::string(name) + "\" is not available in a template");
  return undefined(name);
}

Value item(Machine& machine, const Value& value, const Value& key) {
  require_defined(machine, value);
  if (is(value, Kind::dict) && is_hashable(key)) {
    if (const Value* held = find_key(machine, *value.dict, key)) return *held;
  }
  if (is_integral(key) && is_indexed(value)) {
    if (is(value, Kind::string)) machine.tick(static_cast<int64_t>(value.text.size() / 16));
    return at_index(value, as_integer(key)).value_or(undefined("an item beyond the end"));
  }
  if (!is(key, Kind::string)) return undefined("an item");
  if (is_unsafe(key.text)) machine.fail("attribute \"" + std::string(key.text) + "\" is not available in a template");
  const Value found = own_attribute(machine, value, key.text);
  return is(found, Kind::undefined) ? undefined(key.text) : found;
}

Value slice(Machine& machine, const Value& value, const Value& start, const Value& stop, const Value& step) {
  require_defined(machine, value);
  if (!is_indexed(value)) machine.fail("a value of type " + std::string(type_name(value)) + " cannot be sliced");
  if (is(value, Kind::list)) {
    const std::vector<Value>& items = value.list->items;
    const Style style = value.list->style;
    if (style == Style::range) machine.fail("a slice of range() is not supported; make it a list with the filter list");
    return machine.list(pick(items, slice_range(machine, static_cast<int64_t>(items.size()), start, stop, step)), style);
  }
  const std::vector<std::string_view> all = characters(value.text);
  machine.tick(static_cast<int64_t>(all.size() / 16));
  std::string text;
  for (const std::string_view one : pick(all, slice_range(machine, static_cast<int64_t>(all.size()), start, stop, step))) text += one;
  return machine.string(std::move(text));
}

}  // namespace hellora::jinja
