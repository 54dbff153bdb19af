// What Python does with values: truth, printing, equality, order, iteration.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hellora/text/jinja/machine.h"

namespace hellora::jinja {

bool truth(const Value& value);
/// str(value); an undefined value is empty. Namespaces, loops, functions and iterators have no stable text and fail.
std::string str(Machine& machine, const Value& value);
std::string repr(Machine& machine, const Value& value);
std::string float_text(double value);
/// json.dumps as transformers' filter tojson calls it. `indent` is what one level adds; without it everything is one line.
struct JsonStyle {
  bool ascii = false, sort = false;
  std::optional<std::string> indent;
  std::string item = ", ", key = ": ";
};
std::string to_json(Machine& machine, const Value& value, const JsonStyle& style);

bool equal(Machine& machine, const Value& a, const Value& b);
/// -1, 0, 1, or 2 when a number is not comparable (NaN). Fails for types that Python does not order; `symbol` is for the message.
int compare(Machine& machine, const Value& a, const Value& b, std::string_view symbol);
/// `needle in container`
bool contains(Machine& machine, const Value& container, const Value& needle);

/// The items of what Python can iterate over; nullopt when it cannot. An iterator is empty afterwards.
std::optional<std::vector<Value>> try_iterate(Machine& machine, const Value& value);
std::vector<Value> iterate(Machine& machine, const Value& value);
/// len(value); fails without one.
int64_t length(Machine& machine, const Value& value);
bool has_length(const Value& value);

/// Whether Python takes a value as a key.
bool is_hashable(const Value& value);
/// A key of a dictionary, null when absent.
const Value* find_key(Machine& machine, const Dict& dict, const Value& key);
const Value* find_key(const Dict& dict, std::string_view key);
/// `value.name` and `value[key]` with Jinja's fallbacks; undefined when there is no such thing.
Value attribute(Machine& machine, const Value& value, std::string_view name);
Value item(Machine& machine, const Value& value, const Value& key);
Value slice(Machine& machine, const Value& value, const Value& start, const Value& stop, const Value& step);

/// An operator of two operands: + - * / // % **
Value arithmetic(Machine& machine, std::string_view symbol, const Value& a, const Value& b);
Value negative(Machine& machine, std::string_view symbol, const Value& a);

/// Booleans count as 0 and 1.
bool is_integral(const Value& value);
bool is_numeric(const Value& value);
int64_t as_integer(const Value& value);
double as_number(const Value& value);

// Arguments of routines, with a message that names the parameter.
std::string_view text_argument(const Machine& machine, const Value& value, std::string_view name);
int64_t integer_argument(const Machine& machine, const Value& value, std::string_view name);
/// Fails for an undefined value: what Jinja's Undefined refuses.
void require_defined(const Machine& machine, const Value& value);

}  // namespace hellora::jinja
