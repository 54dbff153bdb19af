// Replaces every match of a pattern, as tokenizer.json's Replace does in normalizers and decoders.
#pragma once

#include <string>
#include <string_view>

#include "hellora/core/json.h"
#include "hellora/text/regex.h"

namespace hellora {

struct ReplaceStep {
  Regex pattern;
  std::string literal;  // the pattern where it is no regular expression, else empty
  std::string content;
};

ReplaceStep parse_replace(const Json& json, const std::string& where);
std::string replace_all(const ReplaceStep& step, std::string_view text);

}  // namespace hellora
