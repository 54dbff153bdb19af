// JSON with strict reading: duplicate keys, deep nesting and wrong types are errors that name the place.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hellora {

using Json = nlohmann::ordered_json;  // keys keep the order in which they were written

/// Parses one JSON value. `where` names the source in errors. Refuses duplicate keys and more than 128 levels.
Json parse_json(std::string_view text, const std::string& where);

/// The member `key` of object `value`; FormatError when absent or of another type.
const Json& member(const Json& value, std::string_view key, const std::string& where);
int64_t int_member(const Json& value, std::string_view key, const std::string& where);
double double_member(const Json& value, std::string_view key, const std::string& where);
bool bool_member(const Json& value, std::string_view key, const std::string& where);
std::string string_member(const Json& value, std::string_view key, const std::string& where);
std::vector<int64_t> ints_member(const Json& value, std::string_view key, const std::string& where);

/// The member if it is there and not null, else `fallback`.
int64_t int_or(const Json& value, std::string_view key, int64_t fallback, const std::string& where);
double double_or(const Json& value, std::string_view key, double fallback, const std::string& where);
bool bool_or(const Json& value, std::string_view key, bool fallback, const std::string& where);
std::string string_or(const Json& value, std::string_view key, const std::string& fallback, const std::string& where);

/// True when `key` is present and not null.
bool has(const Json& value, std::string_view key);

}  // namespace hellora
