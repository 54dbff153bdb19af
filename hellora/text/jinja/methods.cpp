#include "hellora/text/jinja/methods.h"

#include <algorithm>
#include <array>

#include "hellora/text/jinja/python.h"

namespace hellora::jinja {
namespace {

Value items(Machine& machine, const Value& self, const Bound&) {
  std::vector<Value> pairs;
  pairs.reserve(self.dict->entries.size());
  for (const auto& [key, value] : self.dict->entries) pairs.push_back(machine.list({key, value}, Style::tuple));
  return machine.list(std::move(pairs), Style::items_view);
}

Value keys(Machine& machine, const Value& self, const Bound&) {
  std::vector<Value> out;
  out.reserve(self.dict->entries.size());
  for (const Entry& entry : self.dict->entries) out.push_back(entry.first);
  return machine.list(std::move(out), Style::keys_view);
}

Value values(Machine& machine, const Value& self, const Bound&) {
  std::vector<Value> out;
  out.reserve(self.dict->entries.size());
  for (const Entry& entry : self.dict->entries) out.push_back(entry.second);
  return machine.list(std::move(out), Style::values_view);
}

Value get(Machine& machine, const Value& self, const Bound& args) {
  if (!is_hashable(*args[0])) machine.fail("a " + std::string(type_name(*args[0])) + " cannot be a key");
  const Value* found = find_key(machine, *self.dict, *args[0]);
  if (found != nullptr) return *found;
  return args[1] == nullptr ? none() : *args[1];
}

Value count(Machine& machine, const Value& self, const Bound& args) {
  const std::vector<Value>& held = self.list->items;
  return integer(std::count_if(held.begin(), held.end(), [&](const Value& one) { return equal(machine, one, *args[0]); }));
}

Value index(Machine& machine, const Value& self, const Bound& args) {
  const std::vector<Value>& held = self.list->items;
  const auto found = std::find_if(held.begin(), held.end(), [&](const Value& one) { return equal(machine, one, *args[0]); });
  if (found == held.end()) machine.fail("index: the value is not there");
  return integer(found - held.begin());
}

// Without a function: what changes its object, which Jinja's sandbox refuses, and what nobody needed yet.
constexpr std::array<Routine, 11> kDict = {{
    {"items", "", items},
    {"keys", "", keys},
    {"values", "", values},
    {"get", "/ key default?", get},
    {"clear", "*", nullptr},
    {"copy", "*", nullptr},
    {"fromkeys", "*", nullptr},
    {"pop", "*", nullptr},
    {"popitem", "*", nullptr},
    {"setdefault", "*", nullptr},
    {"update", "*", nullptr},
}};

constexpr std::array<Routine, 11> kList = {{
    {"count", "/ value", count},
    {"index", "/ value", index},
    {"append", "*", nullptr},
    {"clear", "*", nullptr},
    {"copy", "*", nullptr},
    {"extend", "*", nullptr},
    {"insert", "*", nullptr},
    {"pop", "*", nullptr},
    {"remove", "*", nullptr},
    {"reverse", "*", nullptr},
    {"sort", "*", nullptr},
}};

}  // namespace

std::span<const Routine> methods(const Value& value) {
  if (is(value, Kind::string)) return text_methods();
  if (is(value, Kind::dict)) return kDict;
  if (is_style(value, Style::list)) return kList;
  if (is_style(value, Style::tuple)) return std::span(kList).first(2);
  return {};
}

}  // namespace hellora::jinja
