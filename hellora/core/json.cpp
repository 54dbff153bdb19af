#include "hellora/core/json.h"

#include <set>

#include "hellora/core/error.h"

namespace hellora {
namespace {

constexpr int kMaxDepth = 128;

[[noreturn]] void wrong_type(std::string_view key, const char* wanted, const Json& value, const std::string& where) {
  throw FormatError(where + ": key \"" + std::string(key) + "\" must be " + wanted + ", found " + value.type_name());
}

int64_t as_int(const Json& value, std::string_view key, const std::string& where) {
  if (!value.is_number_integer()) wrong_type(key, "an integer", value, where);
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    throw FormatError(where + ": key \"" + std::string(key) + "\" does not fit into 64 signed bits");
  }
  return value.get<int64_t>();
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> open;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) throw FormatError(where + ": JSON nested deeper than " + std::to_string(kMaxDepth) + " levels");
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(parsed.get<std::string>()).second) {
      throw FormatError(where + ": duplicate key \"" + parsed.get<std::string>() + "\"");
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), watch);
  } catch (const Json::exception& error) {
    throw FormatError(where + ": not valid JSON (" + error.what() + ")");
  }
}

bool has(const Json& value, std::string_view key) {
  if (!value.is_object()) return false;
  const auto it = value.find(std::string(key));
  return it != value.end() && !it->is_null();
}

const Json& member(const Json& value, std::string_view key, const std::string& where) {
  if (!value.is_object()) throw FormatError(where + ": expected a JSON object, found " + value.type_name());
  const auto it = value.find(std::string(key));
  if (it == value.end()) throw FormatError(where + ": key \"" + std::string(key) + "\" is missing");
  return *it;
}

int64_t int_member(const Json& value, std::string_view key, const std::string& where) {
  return as_int(member(value, key, where), key, where);
}

double double_member(const Json& value, std::string_view key, const std::string& where) {
  const Json& found = member(value, key, where);
  if (!found.is_number()) wrong_type(key, "a number", found, where);
  return found.get<double>();
}

bool bool_member(const Json& value, std::string_view key, const std::string& where) {
  const Json& found = member(value, key, where);
  if (!found.is_boolean()) wrong_type(key, "true or false", found, where);
  return found.get<bool>();
}

std::string string_member(const Json& value, std::string_view key, const std::string& where) {
  const Json& found = member(value, key, where);
  if (!found.is_string()) wrong_type(key, "a string", found, where);
  return found.get<std::string>();
}

std::vector<int64_t> ints_member(const Json& value, std::string_view key, const std::string& where) {
  const Json& found = member(value, key, where);
  if (!found.is_array()) wrong_type(key, "an array of integers", found, where);
  std::vector<int64_t> out;
  out.reserve(found.size());
  for (const Json& item : found) out.push_back(as_int(item, key, where));
  return out;
}

int64_t int_or(const Json& value, std::string_view key, int64_t fallback, const std::string& where) {
  return has(value, key) ? int_member(value, key, where) : fallback;
}
double double_or(const Json& value, std::string_view key, double fallback, const std::string& where) {
  return has(value, key) ? double_member(value, key, where) : fallback;
}
bool bool_or(const Json& value, std::string_view key, bool fallback, const std::string& where) {
  return has(value, key) ? bool_member(value, key, where) : fallback;
}
std::string string_or(const Json& value, std::string_view key, const std::string& fallback, const std::string& where) {
  return has(value, key) ? string_member(value, key, where) : fallback;
}

}  // namespace hellora
