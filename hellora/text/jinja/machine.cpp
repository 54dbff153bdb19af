#include "hellora/text/jinja/machine.h"

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"

namespace hellora::jinja {

Value* Scope::find(std::string_view name) {
  for (auto& [known, value] : names) {
    if (known == name) return &value;
  }
  return nullptr;
}

void Scope::set(std::string_view name, const Value& value) {
  if (Value* known = find(name)) {
    *known = value;
  } else {
    names.emplace_back(name, value);
  }
}

void Machine::fail(const std::string& message) const { throw DataError(where_ + ":" + std::to_string(line) + ": " + message); }

void Machine::tick(int64_t steps) {
  steps_ += steps;
  if (steps_ > limits_.steps) fail("the template takes more than " + std::to_string(limits_.steps) + " steps; it may loop without end");
}

void Machine::reserve(int64_t bytes) const {
  if (bytes > limits_.bytes - bytes_) fail("the template makes more than " + std::to_string(limits_.bytes) + " bytes of values");
}

void Machine::grow(size_t bytes) {
  reserve(static_cast<int64_t>(bytes));
  bytes_ += static_cast<int64_t>(bytes);
  steps_ += static_cast<int64_t>(bytes / 256);  // copying is work, too
}

void Machine::write(std::string_view text) {
  if (output->captured) grow(text.size());
  output->text += text;
  if (static_cast<int64_t>(output->text.size()) > limits_.output) {
    fail("the template writes more than " + std::to_string(limits_.output) + " bytes");
  }
}

Value Machine::string(std::string text) {
  grow(sizeof(std::string) + text.size());
  return view(strings_.emplace_back(std::move(text)));
}

Value Machine::list(std::vector<Value> items, Style style) {
  grow(sizeof(List) + items.size() * sizeof(Value));
  Value value;
  value.kind = Kind::list;
  value.list = &lists_.emplace_back(List{std::move(items), style});
  return value;
}

Value Machine::dict(std::vector<Entry> entries) {
  grow(sizeof(Dict) + entries.size() * sizeof(Entry));
  Value value;
  value.kind = Kind::dict;
  value.dict = &dicts_.emplace_back(Dict{std::move(entries)});
  return value;
}

Value Machine::space() {
  grow(sizeof(Space));
  Value value;
  value.kind = Kind::space;
  value.space = &spaces_.emplace_back();
  return value;
}

Value Machine::loop(std::vector<Value> items) {
  grow(sizeof(Loop) + items.size() * sizeof(Value));
  Value value;
  value.kind = Kind::loop;
  value.loop = &loops_.emplace_back(Loop{std::move(items), 0});
  return value;
}

Value Machine::function(const Function& function) {
  grow(sizeof(Function));
  Value value;
  value.kind = Kind::function;
  value.function = &functions_.emplace_back(function);
  return value;
}

Scope* Machine::scope(Scope* parent) {
  grow(sizeof(Scope) + sizeof(Value));
  return &scopes_.emplace_back(Scope{parent, {}});
}

Value Machine::from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean: return boolean(json.get<bool>());
    case Json::value_t::number_integer: return integer(json.get<int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) fail("number " + dump_json(json) + " does not fit into 64 signed bits");
      return integer(json.get<int64_t>());
    case Json::value_t::number_float: return number(json.get<double>());
    case Json::value_t::string: return view(json.get_ref<const std::string&>());
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const Json& item : json) items.push_back(from_json(item));
      return list(std::move(items));
    }
    case Json::value_t::object: {
      std::vector<Entry> entries;
      for (const auto& [key, item] : json.items()) entries.emplace_back(view(key), from_json(item));
      return dict(std::move(entries));
    }
    default: return none();
  }
}

Machine::Level::Level(Machine& machine) : machine_(machine) {
  if (++machine_.depth_ > machine_.limits_.depth) {
    --machine_.depth_;  // the destructor does not run
    machine_.fail("the template nests deeper than " + std::to_string(machine_.limits_.depth) +
                  " levels; a macro may call itself without end");
  }
}

}  // namespace hellora::jinja
