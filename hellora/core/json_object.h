// A JSON object that somebody else wrote, read key by key: each key is used, known to change nothing, or refused by name.
#pragma once

#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/core/json.h"

namespace hellora {

/// What finish() does with keys that nobody asked for and that hold something (not null, false, "" or an empty container).
enum class Unknown { refuse, warn, ignore };

/// Holds a reference: the value must outlive it. Every reading function marks its key as used; FormatError names file and key.
class JsonObject {
 public:
  JsonObject(const Json& value, std::string where);

  const std::string& where() const { return where_; }
  /// True when the key is there and not null; does not mark it.
  bool has(std::string_view key) const;
  /// True when the key is there, null too; does not mark it.
  bool present(std::string_view key) const { return value_.contains(key); }
  /// True when somebody has read or named the key.
  bool asked(std::string_view key) const { return used_.contains(key); }
  /// The member; FormatError when it is missing.
  const Json& at(std::string_view key);
  /// The member, or nullptr when it is missing or null.
  const Json* find(std::string_view key);

  int64_t integer(std::string_view key, int64_t low, int64_t high);
  int64_t integer_or(std::string_view key, int64_t fallback, int64_t low, int64_t high);
  /// Finite and in [low, high].
  double number(std::string_view key, double low, double high);
  double number_or(std::string_view key, double fallback, double low, double high);
  /// Finite, greater than 0 and at most `high`.
  double positive(std::string_view key, double high = std::numeric_limits<double>::max());
  double positive_or(std::string_view key, double fallback, double high = std::numeric_limits<double>::max());
  bool flag(std::string_view key);
  bool flag_or(std::string_view key, bool fallback);
  std::string text(std::string_view key);
  std::string text_or(std::string_view key, const std::string& fallback);
  /// One of `choices`.
  std::string choice(std::string_view key, std::initializer_list<std::string_view> choices);
  std::string choice_or(std::string_view key, const std::string& fallback, std::initializer_list<std::string_view> choices);
  /// Integers of [low, high].
  std::vector<int64_t> integers(std::string_view key, int64_t low, int64_t high);
  std::vector<double> numbers(std::string_view key, double low, double high);
  std::vector<std::string> texts(std::string_view key);

  /// Known keys that change nothing here.
  void harmless(std::initializer_list<std::string_view> keys);
  /// A key that would change the result: FormatError with `why` unless it is missing or inert (null, false, 0, "", "none", empty).
  void refuse(std::string_view key, std::string_view why);
  /// The same for a key that may hold one of `allowed`, compared as JSON text ("true", "\"gaussian\"", "1.0").
  void only(std::string_view key, std::initializer_list<std::string_view> allowed, std::string_view why);
  /// Meets the keys that nobody asked for.
  void finish(Unknown rule) const;

 private:
  [[noreturn]] void wrong(std::string_view key, const std::string& wanted) const;
  const Json* used(std::string_view key);

  const Json& value_;
  std::string where_;
  std::set<std::string, std::less<>> used_;
};

/// True for the values that switch nothing on: null, false, 0, "", "none" and empty containers.
bool is_inert(const Json& value);

}  // namespace hellora
