#include "hellora/core/json_object.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

/// The shortest usual form; of the limits of a type only their being limits matters.
std::string number_text(double value) { return dump_json(value); }

std::string range_text(const char* kind, const std::string& low, const std::string& high) {
  return std::string(kind) + " from " + low + " to " + high;
}

/// A value for a message: on one line, cut.
std::string shown(const Json& value) {
  constexpr size_t kMost = 60;
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kMost) text = text.substr(0, kMost) + "…";
  return text;
}

bool integer_in(const Json& value, int64_t low, int64_t high) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    return number <= static_cast<uint64_t>(INT64_MAX) && static_cast<int64_t>(number) >= low && static_cast<int64_t>(number) <= high;
  }
  return value.is_number_integer() && value.get<int64_t>() >= low && value.get<int64_t>() <= high;
}

bool number_in(const Json& value, double low, double high) {
  if (!value.is_number()) return false;
  const double number = value.get<double>();
  return std::isfinite(number) && number >= low && number <= high;
}

}  // namespace

bool is_inert(const Json& value) {
  if (value.is_number()) return value.get<double>() == 0;
  return value.is_null() || value == false || value == "" || value == "none" || ((value.is_array() || value.is_object()) && value.empty());
}

JsonObject::JsonObject(const Json& value, std::string where) : value_(value), where_(std::move(where)) {
  if (!value_.is_object()) throw FormatError(where_ + ": expected a JSON object, found " + value_.type_name());
}

bool JsonObject::has(std::string_view key) const { return hellora::has(value_, key); }

const Json* JsonObject::used(std::string_view key) {
  used_.emplace(key);
  const auto it = value_.find(std::string(key));
  return it == value_.end() ? nullptr : &*it;
}

const Json* JsonObject::find(std::string_view key) {
  const Json* found = used(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

const Json& JsonObject::at(std::string_view key) {
  const Json* found = used(key);
  if (found == nullptr) throw FormatError(where_ + ": key \"" + std::string(key) + "\" is missing");
  return *found;
}

void JsonObject::wrong(std::string_view key, const std::string& wanted) const {
  throw FormatError(where_ + ": key \"" + std::string(key) + "\" is " + shown(value_.at(std::string(key))) + "; expected " + wanted);
}

int64_t JsonObject::integer(std::string_view key, int64_t low, int64_t high) {
  const Json& value = at(key);
  if (!integer_in(value, low, high)) wrong(key, range_text("an integer", std::to_string(low), std::to_string(high)));
  return value.get<int64_t>();
}

double JsonObject::number(std::string_view key, double low, double high) {
  const Json& value = at(key);
  if (!number_in(value, low, high)) wrong(key, range_text("a number", number_text(low), number_text(high)));
  return value.get<double>();
}

double JsonObject::positive(std::string_view key, double high) {
  const Json& value = at(key);
  if (!number_in(value, 0, high) || value.get<double>() == 0) wrong(key, "a number above 0, at most " + number_text(high));
  return value.get<double>();
}

bool JsonObject::flag(std::string_view key) {
  const Json& value = at(key);
  if (!value.is_boolean()) wrong(key, "true or false");
  return value.get<bool>();
}

std::string JsonObject::text(std::string_view key) {
  const Json& value = at(key);
  if (!value.is_string()) wrong(key, "a string");
  return value.get<std::string>();
}

std::string JsonObject::choice(std::string_view key, std::initializer_list<std::string_view> choices) {
  const Json& value = at(key);
  const auto matches = [&](std::string_view one) { return value.is_string() && value.get_ref<const std::string&>() == one; };
  if (std::none_of(choices.begin(), choices.end(), matches)) {
    std::vector<std::string> names;
    for (const std::string_view one : choices) names.push_back(dump_json(std::string(one)));
    wrong(key, join(names, " or "));
  }
  return value.get<std::string>();
}

std::vector<int64_t> JsonObject::integers(std::string_view key, int64_t low, int64_t high) {
  const Json& value = at(key);
  const auto fits = [&](const Json& one) { return integer_in(one, low, high); };
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), fits))
    wrong(key, "an array of " + range_text("integers", std::to_string(low), std::to_string(high)));
  return value.get<std::vector<int64_t>>();
}

std::vector<double> JsonObject::numbers(std::string_view key, double low, double high) {
  const Json& value = at(key);
  const auto fits = [&](const Json& one) { return number_in(one, low, high); };
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), fits))
    wrong(key, "an array of " + range_text("numbers", number_text(low), number_text(high)));
  return value.get<std::vector<double>>();
}

std::vector<std::string> JsonObject::texts(std::string_view key) {
  const Json& value = at(key);
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), [](const Json& one) { return one.is_string(); }))
    wrong(key, "an array of strings");
  return value.get<std::vector<std::string>>();
}

int64_t JsonObject::integer_or(std::string_view key, int64_t fallback, int64_t low, int64_t high) {
  return find(key) != nullptr ? integer(key, low, high) : fallback;
}
double JsonObject::number_or(std::string_view key, double fallback, double low, double high) {
  return find(key) != nullptr ? number(key, low, high) : fallback;
}
double JsonObject::positive_or(std::string_view key, double fallback, double high) {
  return find(key) != nullptr ? positive(key, high) : fallback;
}
bool JsonObject::flag_or(std::string_view key, bool fallback) { return find(key) != nullptr ? flag(key) : fallback; }
std::string JsonObject::text_or(std::string_view key, const std::string& fallback) { return find(key) != nullptr ? text(key) : fallback; }
std::string JsonObject::choice_or(std::string_view key, const std::string& fallback, std::initializer_list<std::string_view> choices) {
  return find(key) != nullptr ? choice(key, choices) : fallback;
}

void JsonObject::harmless(std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) used_.emplace(key);
}

void JsonObject::refuse(std::string_view key, std::string_view why) {
  const Json* found = used(key);
  if (found == nullptr || is_inert(*found)) return;
  throw FormatError(where_ + ": key \"" + std::string(key) + "\" is " + shown(*found) + "; " + std::string(why));
}

void JsonObject::only(std::string_view key, std::initializer_list<std::string_view> allowed, std::string_view why) {
  const Json* found = used(key);
  if (found == nullptr || found->is_null()) return;
  const std::string text = found->dump(-1, ' ', true, Json::error_handler_t::replace);
  if (std::find(allowed.begin(), allowed.end(), text) != allowed.end()) return;
  throw FormatError(where_ + ": key \"" + std::string(key) + "\" is " + shown(*found) + "; " + std::string(why));
}

void JsonObject::finish(Unknown rule) const {
  if (rule == Unknown::ignore) return;
  for (const auto& [key, value] : value_.items()) {
    if (used_.contains(key) || is_inert(value)) continue;
    const std::string what = where_ + ": key \"" + printable(key) + "\" is " + shown(value);
    if (rule == Unknown::refuse)
      throw FormatError(what + "; hellora does not know this key, and it could change the result: remove it if it does not");
    log_warn(what + "; hellora does not know this key and goes on without it");
  }
}

}  // namespace hellora
