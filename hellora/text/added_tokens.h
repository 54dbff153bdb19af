// Added tokens: cut out of the text before BPE sees it, longest first at each place.
#pragma once

#include <array>
#include <bitset>
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

/// `where` names the array.
std::vector<AddedToken> parse_added_tokens(const Json& json, const std::string& where);

/// A stretch of the text, or an added token's id.
struct TextPart {
  std::string_view text;
  int64_t id = -1;
};

/// The added tokens of one kind (normalized or not), ordered by their first byte so that most places of a text cost one look.
class AddedTokenSet {
 public:
  AddedTokenSet(const std::vector<AddedToken>& tokens, bool normalized);
  /// Cuts the tokens out of a text, which must outlive the parts.
  std::vector<TextPart> cut(std::string_view text) const;

 private:
  const AddedToken* match_at(std::string_view text, size_t at) const;

  std::array<std::vector<AddedToken>, 256> by_first_byte_;  // longest first
  std::array<bool, 256> begins_{};
  std::bitset<size_t{1} << 16> pairs_;  // first two bytes; where tokens of spaces are, every word of a text begins as they do
};

}  // namespace hellora
