#include <algorithm>

#include "hellora/text/jinja/evaluate.h"
#include "hellora/text/jinja/python.h"

namespace hellora::jinja {
namespace {

void set_attribute(Machine& machine, const Target& target, const Value& value, Scope& scope) {
  for (Scope* at = &scope; at != nullptr; at = at->parent) {
    const Value* holder = at->find(target.name);
    if (holder == nullptr) continue;
    if (!is(*holder, Kind::space)) break;
    auto& names = holder->space->names;
    const auto known = std::find_if(names.begin(), names.end(), [&](const auto& one) { return one.first == target.attribute; });
    if (known != names.end()) {
      known->second = value;
    } else {
      names.emplace_back(target.attribute, value);
    }
    return;
  }
  machine.fail("\"" + target.name + "\" is no namespace: its attribute \"" + target.attribute + "\" cannot be set");
}

void assign(Machine& machine, const Target& target, const Value& value, Scope& scope) {
  if (target.unpacks) {
    const std::vector<Value> values = iterate(machine, value);
    if (values.size() != target.parts.size()) {
      machine.fail("cannot unpack " + std::to_string(values.size()) + " values into " + std::to_string(target.parts.size()) + " names");
    }
    for (size_t i = 0; i < values.size(); ++i) assign(machine, target.parts[i], values[i], scope);
  } else if (!target.attribute.empty()) {
    if (target.attribute.starts_with('_')) machine.fail("an attribute of a namespace cannot begin with \"_\"");
    set_attribute(machine, target, value, scope);
  } else {
    scope.set(target.name, value);
  }
}

/// The items that the filter of a loop lets through.
std::vector<Value> loop_items(Machine& machine, const Stmt& stmt, Scope& scope) {
  std::vector<Value> items = iterate(machine, evaluate(machine, stmt.exprs[0], scope));
  if (stmt.exprs.size() < 2) return items;
  std::vector<Value> kept;
  for (const Value& one : items) {
    Scope& inner = *machine.scope(&scope);
    assign(machine, stmt.target, one, inner);
    if (truth(evaluate(machine, stmt.exprs[1], inner))) kept.push_back(one);
  }
  return kept;
}

Flow run_loop(Machine& machine, const Stmt& stmt, Scope& scope) {
  const Value loop = machine.loop(loop_items(machine, stmt, scope));
  bool whole = false;  // Jinja: `else` runs unless some round came to its end
  for (size_t i = 0; i < loop.loop->items.size(); ++i) {
    machine.tick();
    loop.loop->at = i;
    Scope& inner = *machine.scope(&scope);
    inner.set("loop", loop);
    machine.line = stmt.line;
    assign(machine, stmt.target, loop.loop->items[i], inner);
    const Flow flow = execute(machine, stmt.bodies[0], inner);
    if (flow == Flow::leave) break;
    whole = whole || flow == Flow::done;
  }
  if (whole || stmt.bodies.size() < 2) return Flow::done;
  Scope& inner = *machine.scope(&scope);
  return execute(machine, stmt.bodies[1], inner);
}

Flow run_choice(Machine& machine, const Stmt& stmt, Scope& scope) {
  for (size_t i = 0; i < stmt.bodies.size(); ++i) {
    if (i == stmt.exprs.size() || truth(evaluate(machine, stmt.exprs[i], scope))) return execute(machine, stmt.bodies[i], scope);
  }
  return Flow::done;
}

Flow run_set_block(Machine& machine, const Stmt& stmt, Scope& scope) {
  Flow flow = Flow::done;
  Scope& inner = *machine.scope(&scope);
  std::string text = captured_text(machine, stmt.bodies[0], inner, &flow);
  if (flow != Flow::done) return flow;
  Value value = machine.string(std::move(text));
  if (!stmt.exprs.empty()) value = evaluate_filters(machine, stmt.exprs[0], value, inner);
  assign(machine, stmt.target, value, scope);
  return flow;
}

void run_generation(Machine& machine, const Stmt& stmt, Scope& scope) {
  machine.line = stmt.line;
  if (machine.output->captured) machine.fail("a generation block inside a macro, a block set or another generation block is not supported");
  Scope& inner = *machine.scope(&scope);
  const std::string text = captured_text(machine, stmt.bodies[0], inner);
  const size_t begin = machine.output->text.size();
  machine.write(text);
  machine.output->generated.emplace_back(begin, machine.output->text.size());
}

Flow run(Machine& machine, const Stmt& stmt, Scope& scope) {
  machine.line = stmt.line;
  switch (stmt.kind) {
    case StmtKind::text: machine.write(stmt.text); break;
    case StmtKind::print: {
      const Value value = evaluate(machine, stmt.exprs[0], scope);
      if (is(value, Kind::string)) {
        machine.write(value.text);
      } else {
        machine.write(str(machine, value));
      }
      break;
    }
    case StmtKind::choice: return run_choice(machine, stmt, scope);
    case StmtKind::loop: return run_loop(machine, stmt, scope);
    case StmtKind::set: assign(machine, stmt.target, evaluate(machine, stmt.exprs[0], scope), scope); break;
    case StmtKind::set_block: return run_set_block(machine, stmt, scope);
    case StmtKind::macro: {
      Function macro{stmt.text};
      macro.macro = &stmt;
      macro.scope = &scope;
      scope.set(stmt.text, machine.function(macro));
      break;
    }
    case StmtKind::leave: return Flow::leave;
    case StmtKind::next: return Flow::next;
    case StmtKind::generation: run_generation(machine, stmt, scope); break;
  }
  return Flow::done;
}

}  // namespace

Flow execute(Machine& machine, const Body& body, Scope& scope) {
  const Machine::Level level(machine);
  for (const Stmt& stmt : body) {
    machine.tick();
    const Flow flow = run(machine, stmt, scope);
    if (flow != Flow::done) return flow;
  }
  return Flow::done;
}

std::string captured_text(Machine& machine, const Body& body, Scope& scope, Flow* flow) {
  Output inner;
  inner.captured = true;
  Output* const outer = machine.output;
  machine.output = &inner;  // an error ends the rendering: nobody restores it then
  const Flow end = execute(machine, body, scope);
  machine.output = outer;
  if (flow != nullptr) *flow = end;
  return std::move(inner.text);
}

}  // namespace hellora::jinja
