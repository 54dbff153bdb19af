// rank_pattern and alpha_pattern of adapter_config.json: numbers by a pattern on the module's path.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/text/bounded_regex.h"

namespace hellora {

/// The first pattern, in the file's order, that matches the path as PEFT matches it: re.match(r"(.*\.)?(PATTERN)$", path). Plain
/// paths, which most are, cost a look-up; a "." in them stands for any character, as there.
class NamePatterns {
 public:
  NamePatterns() = default;
  /// FormatError names the key and the pattern: not an object, a value that is not in (0, high] or (with `whole`) no integer, more
  /// than 64 regular expressions, or one that BoundedRegex refuses.
  NamePatterns(const Json& object, double high, bool whole, const std::string& where);

  std::optional<double> find(std::string_view path) const;

 private:
  /// Plain patterns of one length with dots at the same places.
  struct Group {
    std::vector<size_t> dots;
    std::unordered_map<std::string, size_t> first;  // by the text without what stands at the dots
  };
  void add_plain(const std::string& pattern, size_t index);
  std::optional<size_t> find_plain(std::string_view name) const;

  std::vector<double> values_;
  std::multimap<size_t, Group> groups_;  // by length
  std::vector<std::pair<size_t, BoundedRegex>> expressions_;
};

}  // namespace hellora
