// Expressions and statements at work.
#pragma once

#include "hellora/text/jinja/machine.h"

namespace hellora::jinja {

Value evaluate(Machine& machine, const Expr& expr, Scope& scope);

/// How a body ended.
enum class Flow : uint8_t { done, leave, next };
Flow execute(Machine& machine, const Body& body, Scope& scope);

/// The text that a body writes.
std::string captured_text(Machine& machine, const Body& body, Scope& scope, Flow* flow = nullptr);
/// Filters of a block set: `value` takes the place of the innermost operand.
Value evaluate_filters(Machine& machine, const Expr& expr, const Value& value, Scope& scope);

}  // namespace hellora::jinja
