// Where a text may be cut before BPE without changing its tokens: between two characters that no merge brings together.
// Without a pre-tokenizer (SentencePiece vocabularies) this is what makes words out of a line.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace hellora {

/// Characters are code points, or bytes for a byte-level vocabulary.
class Cuts {
 public:
  explicit Cuts(bool byte_level) : byte_level_(byte_level), joined_(kBits / 64), known_(kCodes / 64) {}

  /// A character with a token of its own. Only after such a one is a cut safe: unknown ones may share a token.
  void add_known(uint32_t character);
  /// A merge may join a token that ends in `left` and one that begins with `right`.
  void add_joined(uint32_t left, uint32_t right);

  /// The end of the piece that begins at `begin`. The text must be valid UTF-8.
  size_t next(std::string_view text, size_t begin) const;

 private:
  static constexpr size_t kBits = 1 << 16, kCodes = 1 << 16;
  static size_t bit_of(uint32_t left, uint32_t right);
  bool may_cut(uint32_t left, uint32_t right) const;
  template <class Read>
  size_t scan(std::string_view text, size_t begin, Read&& read) const;

  bool byte_level_;
  std::vector<uint64_t> joined_;  // a set of hashed pairs; two that share a bit cost a cut, never a token
  std::vector<uint64_t> known_;   // by character; those from 2^16 on count as unknown
};

}  // namespace hellora
