#include <algorithm>
#include <array>

#include "hellora/text/jinja/filters.h"
#include "hellora/text/jinja/text_work.h"
#include "hellora/text/jinja/unicode.h"

namespace hellora::jinja {
namespace {

Value count(Machine& machine, const Value& self, const Bound&) { return integer(length(machine, self)); }
Value list(Machine& machine, const Value& self, const Bound&) { return machine.list(iterate(machine, self)); }

Value join(Machine& machine, const Value& self, const Bound& args) {
  const std::string_view separator = args[0] == nullptr ? std::string_view() : text_of(machine, *args[0]);
  std::string out;
  bool first = true;
  for (const Value& one : iterate(machine, self)) {
    if (!first) out += separator;
    first = false;
    out += str(machine, path(machine, one, args[1]));
    machine.reserve(static_cast<int64_t>(out.size()));
  }
  return machine.string(std::move(out));
}

Value first(Machine& machine, const Value& self, const Bound&) {
  const std::vector<Value> items = iterate(machine, self);
  if (is_style(self, Style::iterator) && !items.empty()) self.list->items.assign(items.begin() + 1, items.end());
  return items.empty() ? undefined("the first item of nothing") : items.front();
}

Value last(Machine& machine, const Value& self, const Bound&) {
  if (!has_length(self) || is(self, Kind::loop)) machine.fail("last does not take a value of type " + std::string(type_name(self)));
  const std::vector<Value> items = iterate(machine, self);
  return items.empty() ? undefined("the last item of nothing") : items.back();
}

Value reverse(Machine& machine, const Value& self, const Bound&) {
  if (is(self, Kind::string)) return slice(machine, self, none(), none(), integer(-1));
  std::vector<Value> items = iterate(machine, self);
  std::reverse(items.begin(), items.end());
  return machine.list(std::move(items), is_style(self, Style::iterator) ? Style::list : Style::iterator);
}

/// Keys by which items are ordered: one per part of `a,b.c`.
std::vector<Value> sort_keys(Machine& machine, const Value& item, const Value* attribute, bool case_sensitive) {
  if (attribute == nullptr || !is(*attribute, Kind::string)) return {folded(machine, path(machine, item, attribute), case_sensitive)};
  std::vector<Value> keys;
  std::string_view rest = attribute->text;
  while (true) {
    const size_t comma = rest.find(',');
    const Value part = view(rest.substr(0, comma));
    keys.push_back(folded(machine, path(machine, item, &part), case_sensitive));
    if (comma == std::string_view::npos) return keys;
    rest.remove_prefix(comma + 1);
  }
}

struct Keyed {
  std::vector<Value> keys;
  Value item;
};

std::vector<Value> sorted(Machine& machine, std::vector<Keyed> keyed, bool reversed) {
  const auto less = [&](const Keyed& a, const Keyed& b) {
    for (size_t i = 0; i < a.keys.size(); ++i) {
      if (!equal(machine, a.keys[i], b.keys[i])) return compare(machine, a.keys[i], b.keys[i], "<") < 0;
    }
    return false;
  };
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) { return reversed ? less(b, a) : less(a, b); });
  std::vector<Value> out;
  out.reserve(keyed.size());
  for (const Keyed& one : keyed) out.push_back(one.item);
  return out;
}

Value sort(Machine& machine, const Value& self, const Bound& args) {
  std::vector<Keyed> keyed;
  for (const Value& one : iterate(machine, self)) keyed.push_back({sort_keys(machine, one, args[2], flag(args[1])), one});
  return machine.list(sorted(machine, std::move(keyed), flag(args[0])));
}

std::vector<Value> pairs_of(Machine& machine, const Value& self) {
  if (!is(self, Kind::dict)) machine.fail("expected a dict, found " + std::string(type_name(self)));
  std::vector<Value> out;
  out.reserve(self.dict->entries.size());
  for (const auto& [key, value] : self.dict->entries) out.push_back(machine.list({key, value}, Style::tuple));
  return out;
}

Value dictsort(Machine& machine, const Value& self, const Bound& args) {
  const std::string_view by = args[1] == nullptr ? "key" : text_argument(machine, *args[1], "by");
  if (by != "key" && by != "value") machine.fail("dictsort: by must be \"key\" or \"value\"");
  std::vector<Keyed> keyed;
  for (const Value& pair : pairs_of(machine, self)) {
    keyed.push_back({{folded(machine, pair.list->items[by == "key" ? 0 : 1], flag(args[0]))}, pair});
  }
  return machine.list(sorted(machine, std::move(keyed), flag(args[2])));
}

Value items(Machine& machine, const Value& self, const Bound&) {
  std::vector<Value> pairs;
  if (!is(self, Kind::undefined)) pairs = pairs_of(machine, self);
  return machine.list(std::move(pairs), Style::iterator);
}

Value unique(Machine& machine, const Value& self, const Bound& args) {
  std::vector<Value> out, seen;
  for (const Value& one : iterate(machine, self)) {
    const Value key = folded(machine, path(machine, one, args[1]), flag(args[0]));
    if (is(key, Kind::dict) || is_style(key, Style::list))
      machine.fail("unique does not take items of type " + std::string(type_name(key)));
    if (std::any_of(seen.begin(), seen.end(), [&](const Value& other) { return equal(machine, key, other); })) continue;
    seen.push_back(key);
    out.push_back(one);
  }
  return machine.list(std::move(out), Style::iterator);
}

Value map(Machine& machine, const Value& self, const Bound& args) {
  const Args& all = *args.all;
  std::vector<Value> out;
  if (!truth(self)) return machine.list({}, Style::iterator);  // whatever it is
  if (!all.positional.empty()) {
    const Routine& filter = filter_named(machine, text_argument(machine, all.positional[0], "the name of a filter"));
    const Args rest{{all.positional.begin() + 1, all.positional.end()}, all.named};
    for (const Value& one : iterate(machine, self)) out.push_back(apply(machine, filter, one, rest));
    return machine.list(std::move(out), Style::iterator);
  }
  const Value *attribute = nullptr, *otherwise = nullptr;
  for (const auto& [name, value] : all.named) {
    if (name == "attribute") attribute = &value;
    if (name == "default" && !is(value, Kind::none)) otherwise = &value;
    if (name != "attribute" && name != "default") machine.fail("map has no parameter \"" + std::string(name) + "\"");
  }
  if (attribute == nullptr) machine.fail("map needs the name of a filter or attribute=…");
  for (const Value& one : iterate(machine, self)) out.push_back(path(machine, one, attribute, otherwise));
  return machine.list(std::move(out), Style::iterator);
}

/// select, reject and their forms with an attribute: items for which the test (truth without one) is `wanted`.
Value selected(Machine& machine, const Value& self, const Args& args, bool by_attribute, bool wanted) {
  if (!truth(self)) return machine.list({}, Style::iterator);  // whatever it is
  const size_t at = by_attribute ? 1 : 0;
  if (args.positional.size() < at) machine.fail("the name of an attribute is missing");
  const Routine* test = nullptr;
  if (args.positional.size() > at) test = &test_named(machine, text_argument(machine, args.positional[at], "the name of a test"));
  Args rest;
  if (test != nullptr) rest = {{args.positional.begin() + static_cast<std::ptrdiff_t>(at) + 1, args.positional.end()}, args.named};
  std::vector<Value> out;
  for (const Value& one : iterate(machine, self)) {
    const Value what = by_attribute ? path(machine, one, args.positional.data()) : one;
    if (truth(test == nullptr ? what : apply(machine, *test, what, rest)) == wanted) out.push_back(one);
  }
  return machine.list(std::move(out), Style::iterator);
}

template <bool kByAttribute, bool kWanted>
Value select(Machine& machine, const Value& self, const Bound& args) {
  return selected(machine, self, *args.all, kByAttribute, kWanted);
}

constexpr std::array<Routine, 16> kFilters = {{
    {"length", "", count},
    {"count", "", count},
    {"list", "", list},
    {"join", "d? attribute?", join},
    {"first", "", first},
    {"last", "", last},
    {"reverse", "", reverse},
    {"sort", "reverse? case_sensitive? attribute?", sort},
    {"dictsort", "case_sensitive? by? reverse?", dictsort},
    {"items", "", items},
    {"unique", "case_sensitive? attribute?", unique},
    {"map", "*", map},
    {"select", "*", select<false, true>},
    {"reject", "*", select<false, false>},
    {"selectattr", "*", select<true, true>},
    {"rejectattr", "*", select<true, false>},
}};

}  // namespace

std::span<const Routine> list_filters() { return kFilters; }

Value path(Machine& machine, const Value& start, const Value* names, const Value* otherwise) {
  const auto step = [&](const Value& from, const Value& key) {
    const Value found = item(machine, from, key);
    return is(found, Kind::undefined) && otherwise != nullptr ? *otherwise : found;
  };
  if (names == nullptr || is(*names, Kind::none)) return start;
  if (is_integral(*names)) return step(start, *names);
  std::string_view rest = text_argument(machine, *names, "attribute");
  Value at = start;
  while (true) {
    const size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    const bool index = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    const Value key = index ? integer(parse_integer(machine, part, 10).value_or(0)) : view(part);
    at = step(at, key);
    if (dot == std::string_view::npos) return at;
    rest.remove_prefix(dot + 1);
  }
}

Value folded(Machine& machine, const Value& value, bool case_sensitive) {
  return is(value, Kind::string) && !case_sensitive ? machine.string(lower(value.text)) : value;
}

}  // namespace hellora::jinja
