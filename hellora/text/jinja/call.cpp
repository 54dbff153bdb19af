#include <algorithm>

#include "hellora/core/text.h"
#include "hellora/text/jinja/evaluate.h"
#include "hellora/text/jinja/python.h"

namespace hellora::jinja {
namespace {

struct Signature {
  std::vector<std::string_view> names;
  size_t required = 0;
  bool any = false, positional = false;
};

Signature read_signature(std::string_view text) {
  Signature out;
  out.any = text == "*";
  while (!text.empty() && !out.any) {
    const size_t end = std::min(text.find(' '), text.size());
    std::string_view name = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (name == "/") {
      out.positional = true;
      continue;
    }
    if (name.ends_with('?')) {
      name.remove_suffix(1);
    } else {
      out.required = out.names.size() + 1;
    }
    out.names.push_back(name);
  }
  return out;
}

Value call_macro(Machine& machine, const Function& macro, const Args& args) {
  const Stmt& stmt = *macro.macro;
  const std::string name = "macro \"" + stmt.text + "\"";
  Scope& scope = *machine.scope(macro.scope);
  const size_t count = stmt.names.size(), without = count - stmt.exprs.size();
  if (args.positional.size() > count) machine.fail(name + " takes " + std::to_string(count) + " arguments");
  for (size_t i = 0; i < args.positional.size(); ++i) scope.set(stmt.names[i], args.positional[i]);
  for (const auto& [key, value] : args.named) {
    if (std::find(stmt.names.begin(), stmt.names.end(), key) == stmt.names.end()) {
      machine.fail(name + " has no parameter \"" + std::string(key) + "\"");
    }
    if (scope.find(key) != nullptr) machine.fail(name + ": argument \"" + std::string(key) + "\" is given twice");
    scope.set(key, value);
  }
  for (size_t i = 0; i < count; ++i) {
    if (scope.find(stmt.names[i]) != nullptr) continue;
    scope.set(stmt.names[i], i < without ? undefined(stmt.names[i]) : evaluate(machine, stmt.exprs[i - without], scope));
  }
  return machine.string(captured_text(machine, stmt.bodies[0], scope));
}

}  // namespace

const Routine* find_routine(std::span<const Routine> table, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const Routine& row) { return row.name == name; });
  return found == table.end() ? nullptr : &*found;
}

namespace {

const Routine& named(const Machine& machine, std::span<const Routine> table, std::string_view name, const char* what) {
  const Routine* row = find_routine(table, name);
  if (row != nullptr && row->apply == nullptr) machine.fail(std::string(what) + " \"" + std::string(name) + "\" is not supported");
  if (row != nullptr) return *row;
  std::vector<std::string> known;
  for (const Routine& one : table) known.emplace_back(one.name);
  const std::string near = nearest_name(name, known);
  machine.fail("unknown " + std::string(what) + " \"" + std::string(name) + "\"" +
               (near.empty() ? std::string() : "; the nearest known one is \"" + near + "\""));
}

}  // namespace

const Routine& filter_named(const Machine& machine, std::string_view name) { return named(machine, filters(), name, "filter"); }
const Routine& test_named(const Machine& machine, std::string_view name) { return named(machine, tests(), name, "test"); }

Value apply(Machine& machine, const Routine& routine, const Value& self, const Args& args) {
  const Machine::Level level(machine);
  machine.tick();
  const Signature signature = read_signature(routine.signature);
  Bound bound{std::vector<const Value*>(signature.names.size(), nullptr), &args};
  const std::string name(routine.name);
  if (!signature.any) {
    if (args.positional.size() > signature.names.size()) {
      machine.fail(name + " takes at most " + std::to_string(signature.names.size()) + " arguments");
    }
    for (size_t i = 0; i < args.positional.size(); ++i) bound.at[i] = &args.positional[i];
    for (const auto& [key, value] : args.named) {
      const auto found = std::find(signature.names.begin(), signature.names.end(), key);
      if (found == signature.names.end() || signature.positional) machine.fail(name + " has no parameter \"" + std::string(key) + "\"");
      const Value*& slot = bound.at[static_cast<size_t>(found - signature.names.begin())];
      if (slot != nullptr) machine.fail(name + ": argument \"" + std::string(key) + "\" is given twice");
      slot = &value;
    }
    for (size_t i = 0; i < signature.required; ++i) {
      if (bound.at[i] == nullptr) machine.fail(name + " needs the argument \"" + std::string(signature.names[i]) + "\"");
    }
  }
  return routine.apply(machine, self, bound);
}

Value call(Machine& machine, const Value& callee, const Args& args) {
  require_defined(machine, callee);
  if (!is(callee, Kind::function)) machine.fail("a value of type " + std::string(type_name(callee)) + " cannot be called");
  const Function& function = *callee.function;
  if (function.routine != nullptr) return apply(machine, *function.routine, function.self, args);
  return call_macro(machine, function, args);
}

}  // namespace hellora::jinja
