#include "hellora/text/jinja/evaluate.h"

#include <algorithm>

#include "hellora/text/jinja/python.h"

namespace hellora::jinja {
namespace {

Value name_value(Machine& machine, const std::string& name, const Scope& scope) {
  for (const Scope* at = &scope; at != nullptr; at = at->parent) {
    for (const auto& [known, value] : at->names) {
      if (known == name) return value;
    }
  }
  const Routine* global = find_routine(globals(), name);
  return global == nullptr ? undefined(name) : machine.function({global->name, global});
}

std::vector<Value> all(Machine& machine, const std::vector<Expr>& exprs, Scope& scope) {
  std::vector<Value> out;
  out.reserve(exprs.size());
  for (const Expr& one : exprs) out.push_back(evaluate(machine, one, scope));
  return out;
}

/// The arguments of a call, filter or test: what follows kids[0].
Args arguments(Machine& machine, const Expr& expr, Scope& scope) {
  Args out;
  const size_t positional = expr.kids.size() - expr.names.size();
  for (size_t i = 1; i < expr.kids.size(); ++i) {
    const Value value = evaluate(machine, expr.kids[i], scope);
    if (i < positional) {
      out.positional.push_back(value);
    } else {
      out.named.emplace_back(expr.names[i - positional], value);
    }
  }
  return out;
}

Value dict_value(Machine& machine, const Expr& expr, Scope& scope) {
  std::vector<Entry> entries;
  for (size_t i = 0; i < expr.kids.size(); i += 2) {
    const Value key = evaluate(machine, expr.kids[i], scope), value = evaluate(machine, expr.kids[i + 1], scope);
    if (!is_hashable(key)) machine.fail("a " + std::string(type_name(key)) + " cannot be a key");
    const auto known = std::find_if(entries.begin(), entries.end(), [&](const Entry& one) { return equal(machine, one.first, key); });
    if (known != entries.end()) {
      known->second = value;
    } else {
      entries.emplace_back(key, value);
    }
  }
  return machine.dict(std::move(entries));
}

bool holds(Machine& machine, const std::string& symbol, const Value& a, const Value& b) {
  if (symbol == "==") return equal(machine, a, b);
  if (symbol == "!=") return !equal(machine, a, b);
  if (symbol == "in") return contains(machine, b, a);
  if (symbol == "not in") return !contains(machine, b, a);
  const int order = compare(machine, a, b, symbol);
  if (order == 2) return false;
  if (symbol == "<") return order < 0;
  if (symbol == "<=") return order <= 0;
  return symbol == ">" ? order > 0 : order >= 0;
}

Value comparison(Machine& machine, const Expr& expr, Scope& scope) {
  Value left = evaluate(machine, expr.kids[0], scope);
  for (size_t i = 0; i < expr.names.size(); ++i) {
    const Value right = evaluate(machine, expr.kids[i + 1], scope);
    if (!holds(machine, expr.names[i], left, right)) return boolean(false);
    left = right;
  }
  return boolean(true);
}

Value unary(Machine& machine, const Expr& expr, Scope& scope) {
  const Value value = evaluate(machine, expr.kids[0], scope);
  return expr.text == "not" ? boolean(!truth(value)) : negative(machine, expr.text, value);
}

Value concat(Machine& machine, const Expr& expr, Scope& scope) {
  std::string text;
  for (const Expr& kid : expr.kids) text += str(machine, evaluate(machine, kid, scope));
  return machine.string(std::move(text));
}

Value filtered(Machine& machine, const Expr& expr, const Value& value, Scope& scope) {
  const Args args = arguments(machine, expr, scope);
  machine.line = expr.line;
  return apply(machine, filter_named(machine, expr.text), value, args);
}

Value tested(Machine& machine, const Expr& expr, Scope& scope) {
  const Value value = evaluate(machine, expr.kids[0], scope);
  const Args args = arguments(machine, expr, scope);
  machine.line = expr.line;
  return apply(machine, test_named(machine, expr.text), value, args);
}

Value called(Machine& machine, const Expr& expr, Scope& scope) {
  const Value callee = evaluate(machine, expr.kids[0], scope);
  const Args args = arguments(machine, expr, scope);
  machine.line = expr.line;
  return call(machine, callee, args);
}

Value chosen(Machine& machine, const Expr& expr, Scope& scope) {
  if (truth(evaluate(machine, expr.kids[1], scope))) return evaluate(machine, expr.kids[0], scope);
  return expr.kids.size() == 3 ? evaluate(machine, expr.kids[2], scope) : undefined("the value of an if without else");
}

Value constant(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::boolean: return boolean(expr.integer != 0);
    case ExprKind::integer: return integer(expr.integer);
    case ExprKind::number: return number(expr.number);
    case ExprKind::string: return view(expr.text);
    default: return none();
  }
}

}  // namespace

Value evaluate(Machine& machine, const Expr& expr, Scope& scope) {
  const Machine::Level level(machine);
  machine.tick();
  machine.line = expr.line;
  const auto kid = [&](size_t i) { return evaluate(machine, expr.kids[i], scope); };
  switch (expr.kind) {
    case ExprKind::name: return name_value(machine, expr.text, scope);
    case ExprKind::list: return machine.list(all(machine, expr.kids, scope));
    case ExprKind::tuple: return machine.list(all(machine, expr.kids, scope), Style::tuple);
    case ExprKind::dict: return dict_value(machine, expr, scope);
    case ExprKind::attribute: {
      const Value value = kid(0);
      return attribute(machine, value, expr.text);
    }
    case ExprKind::item: {
      const Value value = kid(0), key = kid(1);
      return item(machine, value, key);
    }
    case ExprKind::slice: {
      const Value value = kid(0), start = kid(1), stop = kid(2), step = kid(3);
      return slice(machine, value, start, stop, step);
    }
    case ExprKind::call: return called(machine, expr, scope);
    case ExprKind::filter: return filtered(machine, expr, kid(0), scope);
    case ExprKind::test: return tested(machine, expr, scope);
    case ExprKind::unary: return unary(machine, expr, scope);
    case ExprKind::binary: {
      const Value a = kid(0), b = kid(1);
      return arithmetic(machine, expr.text, a, b);
    }
    case ExprKind::concat: return concat(machine, expr, scope);
    case ExprKind::compare: return comparison(machine, expr, scope);
    case ExprKind::both:
    case ExprKind::either: {
      const Value first = kid(0);
      return truth(first) == (expr.kind == ExprKind::either) ? first : kid(1);
    }
    case ExprKind::choice: return chosen(machine, expr, scope);
    default: return constant(expr);
  }
}

Value evaluate_filters(Machine& machine, const Expr& expr, const Value& value, Scope& scope) {
  if (expr.kind != ExprKind::filter) return value;
  return filtered(machine, expr, evaluate_filters(machine, expr.kids[0], value, scope), scope);
}

}  // namespace hellora::jinja
