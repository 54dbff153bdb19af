// Replaces every match of a pattern, as tokenizer.json's Replace does in normalizers and decoders.
#pragma once

#include <string>
#include <string_view>

#include "hellora/core/json.h"
#include "hellora/text/regex.h"

namespace hellora {

inline constexpr size_t kMostReplaced = size_t{64} << 20;

struct ReplaceStep {
  Regex pattern;
  std::string literal;  // the pattern where it is no regular expression, else empty
  std::string content;
};

ReplaceStep parse_replace(const Json& json, const std::string& where);
/// DataError when the result is longer than `most` bytes: steps that each double a text would fill any memory.
std::string replace_all(const ReplaceStep& step, std::string_view text, size_t most = kMostReplaced);

}  // namespace hellora
