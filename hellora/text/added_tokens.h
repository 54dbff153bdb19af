// Added tokens: cut out of the text before BPE sees it, longest first at each place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/core/json.h"

namespace hellora {

struct AddedToken {
  int64_t id = 0;
  std::string content;
  std::string match;  // what is looked for and decoded: the content, normalised like the text where `normalized`
  bool special = false, normalized = false, lstrip = false, rstrip = false, single_word = false;
};

std::vector<AddedToken> parse_added_tokens(const Json& json, const std::string& where);

/// A stretch of text, or an added token's id.
struct TextPart {
  std::string text;
  int64_t id = -1;
};

/// Cuts the added tokens of one kind (normalized or not) out of a text.
std::vector<TextPart> cut_added_tokens(const std::vector<AddedToken>& tokens, bool normalized, const std::string& text);

}  // namespace hellora
