#include "hellora/core/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "hellora/core/error.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

using Values = std::span<const std::string>;

const std::string& one(Values values, const std::string& key, const std::string& where) {
  if (values.size() != 1) throw ConfigError(where + ": " + key + " takes one value, found a list of " + std::to_string(values.size()));
  return values[0];
}

/// The shortest text that reads back as the same double.
std::string print_double(double value) {
  std::array<char, 32> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), result.ptr};
}

[[noreturn]] void out_of_range(const std::string& key, const std::string& text, const std::string& accepts, const std::string& where) {
  throw ConfigError(where + ": " + key + ": " + text + " is not acceptable; expected " + accepts);
}

/// As YAML 1.1 spells them, in one of its three casings.
std::optional<bool> parse_flag(const std::string& text) {
  for (const char* yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

std::string range_text(const std::string& low, const std::string& high) { return "a number from " + low + " to " + high; }

}  // namespace

double parse_double(const std::string& text, const std::string& where) {
  double value = 0;
  const char* end = text.data() + text.size();
  const bool plus = text.starts_with('+') && !text.starts_with("+-");  // from_chars knows no plus sign
  const auto result = std::from_chars(text.data() + (plus ? 1 : 0), end, value);
  if (result.ec != std::errc() || result.ptr != end || !std::isfinite(value)) {
    throw ConfigError(where + ": \"" + text + "\" is not a finite number");
  }
  return value;
}

int64_t parse_int(const std::string& text, const std::string& where) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) throw ConfigError(where + ": \"" + text + "\" is not an integer");
  return value;
}

Field text_field(const std::string& key, std::string* value, std::string help) {
  return {key,
          std::move(help),
          "text",
          false,
          [=](Values v, const std::string& where) { *value = one(v, key, where); },
          [=] { return std::vector<std::string>{*value}; }};
}

Field flag_field(const std::string& key, bool* value, std::string help) {
  return {key,
          std::move(help),
          "true or false",
          false,
          [=](Values v, const std::string& where) {
            const std::string& text = one(v, key, where);
            const std::optional<bool> parsed = parse_flag(text);
            if (!parsed) out_of_range(key, text, "true or false", where);
            *value = *parsed;
          },
          [=] { return std::vector<std::string>{*value ? "true" : "false"}; }};
}

Field int_field(const std::string& key, int64_t* value, int64_t low, int64_t high, std::string help) {
  const std::string accepts = "an integer from " + std::to_string(low) + " to " + std::to_string(high);
  return {key,
          std::move(help),
          accepts,
          false,
          [=](Values v, const std::string& where) {
            const std::string& text = one(v, key, where);
            const int64_t parsed = parse_int(text, where + ": " + key);
            if (parsed < low || parsed > high) out_of_range(key, text, accepts, where);
            *value = parsed;
          },
          [=] { return std::vector<std::string>{std::to_string(*value)}; }};
}

Field auto_field(const std::string& key, Auto* value, int64_t low, int64_t high, std::string help) {
  const std::string accepts = "auto or an integer from " + std::to_string(low) + " to " + std::to_string(high);
  return {key,
          std::move(help),
          accepts,
          false,
          [=](Values v, const std::string& where) {
            const std::string& text = one(v, key, where);
            if (text == "auto") {
              *value = std::nullopt;
              return;
            }
            const int64_t parsed = parse_int(text, where + ": " + key);
            if (parsed < low || parsed > high) out_of_range(key, text, accepts, where);
            *value = parsed;
          },
          [=] { return std::vector<std::string>{*value ? std::to_string(**value) : "auto"}; }};
}

Field double_field(const std::string& key, double* value, double low, double high, std::string help) {
  const std::string accepts = range_text(print_double(low), print_double(high));
  return {key,
          std::move(help),
          accepts,
          false,
          [=](Values v, const std::string& where) {
            const std::string& text = one(v, key, where);
            const double parsed = parse_double(text, where + ": " + key);
            if (parsed < low || parsed > high) out_of_range(key, text, accepts, where);
            *value = parsed;
          },
          [=] { return std::vector<std::string>{print_double(*value)}; }};
}

Field choice_field(const std::string& key, std::string* value, std::vector<std::string> choices, std::string help) {
  const std::string accepts = "one of " + join(choices, ", ");
  return {key,
          std::move(help),
          accepts,
          false,
          [=](Values v, const std::string& where) {
            const std::string& text = one(v, key, where);
            if (std::find(choices.begin(), choices.end(), text) == choices.end()) out_of_range(key, "\"" + text + "\"", accepts, where);
            *value = text;
          },
          [=] { return std::vector<std::string>{*value}; }};
}

Field list_field(const std::string& key, std::vector<std::string>* value, std::string help) {
  return {key,
          std::move(help),
          "a list of names",
          true,
          [=](Values v, const std::string&) { value->assign(v.begin(), v.end()); },
          [=] { return *value; }};
}

Field files_field(const std::string& key, std::vector<std::string>* value, std::string help) {
  Field field = list_field(key, value, std::move(help));
  field.accepts = "a file or a list of files";
  field.spaces = true;
  return field;
}

Field free_on_resume(Field field) {
  field.free_on_resume = true;
  return field;
}

void Fields::add(std::vector<Field> more) {
  for (Field& field : more) {
    const bool known = std::any_of(fields_.begin(), fields_.end(), [&](const Field& f) { return f.key == field.key; });
    HELLORA_CHECK(!known, "field declared twice: " + field.key);
    fields_.push_back(std::move(field));
  }
}

const Field& Fields::find(const std::string& key, const std::string& where) const {
  std::vector<std::string> names;
  for (const Field& field : fields_) {
    if (field.key == key) return field;
    names.push_back(field.key);
  }
  const std::string near = nearest_name(key, names);
  throw ConfigError(where + ": unknown key \"" + key + "\"" + (near.empty() ? "" : "; the nearest known key is \"" + near + "\""));
}

void Fields::set(const std::string& key, std::span<const std::string> values, const std::string& where) const {
  find(key, where).set(values, where);
}

void Fields::set_text(const std::string& key, const std::string& value, const std::string& where) const {
  const Field& field = find(key, where);
  if (!field.is_list) {
    const std::string scalar = value;
    field.set({&scalar, 1}, where);
    return;
  }
  std::string inner = trim(value);
  if (inner.size() >= 2 && inner.front() == '[' && inner.back() == ']') inner = inner.substr(1, inner.size() - 2);
  std::vector<std::string> items;
  for (const std::string& part : split(inner, ',')) {
    if (!trim(part).empty()) items.push_back(trim(part));
  }
  field.set(items, where);
}

}  // namespace hellora
