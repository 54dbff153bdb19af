// Cuts a text at the matches of a pattern, as tokenizer.json's Split does.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "hellora/core/json.h"
#include "hellora/text/known_patterns.h"
#include "hellora/text/regex.h"

namespace hellora {

/// What happens to the text that the pattern matches.
enum class SplitBehavior : uint8_t { isolated, removed, merged_with_previous, merged_with_next, contiguous };

struct SplitStage {
  Regex pattern;
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;
  Scanner scan = nullptr;  // does what `pattern` does, where there is one
};

/// Calls visit(begin, end) for each match of the pattern, from left to right.
template <class Visit>
void for_each_match(const SplitStage& stage, std::string_view text, Visit&& visit) {
  if (stage.scan == nullptr) return stage.pattern.for_each_match(text, visit);
  for (size_t at = 0; at < text.size();) {
    const size_t end = stage.scan(text, at);
    visit(at, end);
    at = end;
  }
}

SplitStage parse_split(const Json& json, const std::string& where);

/// Calls visit(begin, end) for each piece of the text that is not empty, from left to right.
void split(const SplitStage& stage, std::string_view text, const std::function<void(size_t begin, size_t end)>& visit);

}  // namespace hellora
