// What tokens put into a text, and so where in a text its tokens stand.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/text/normalizer.h"
#include "hellora/text/pre_tokenizer.h"
#include "hellora/text/template.h"

namespace hellora {

class Spelling {
 public:
  /// The rules that the normalizer and the pre-tokenizer spell by. `fallback`: tokens <0xNN> are bytes.
  Spelling(const Normalizer& normalizer, const PreTokenizer& pre_tokenizer, bool fallback);
  /// The token with the next id; an empty one where the vocabulary has a gap.
  void add(std::string_view token, bool is_added);

  size_t size() const { return ends_.size(); }
  /// The bytes of a token; `id` must be below size().
  std::string_view of(int64_t id) const;
  /// Where the tokens of a text stand in it, in whole characters; one that a tokenizer puts before a text is empty. Nothing when the tokens
  /// do not spell the text, which is so where it was rewritten (composition).
  std::optional<std::vector<TextSpan>> places(std::span<const int64_t> ids, std::string_view text) const;

 private:
  enum class Prefix : uint8_t { none, where_absent, always };

  bool byte_level_, fallback_;
  std::string mark_;  // stands for a space
  Prefix prefix_ = Prefix::none;
  bool only_first_ = false;  // a prefix stands before the text, not after added tokens as well
  std::string bytes_;        // of all tokens
  std::vector<uint32_t> ends_;
  std::vector<bool> added_;
};

}  // namespace hellora
