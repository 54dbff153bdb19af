// The BPE model of tokenizer.json: vocabulary, merges, and how a piece of text becomes tokens.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/text/cuts.h"
#include "hellora/text/merges.h"
#include "hellora/text/vocabulary.h"

namespace hellora {

class Bpe {
 public:
  /// From tokenizer.json's `model` object: vocab, merges as "a b" or ["a", "b"], ignore_merges, unk_token, fuse_unk, byte_fallback.
  /// FormatError otherwise. `byte_level`: pieces are bytes, and the vocabulary spells them in the byte alphabet.
  Bpe(const Json& model, const std::string& where, bool byte_level = false);

  /// Appends the ids of a piece. DataError when a character is not in the vocabulary and the model has nothing for such ones.
  void encode(std::string_view piece, std::vector<int64_t>& ids) const;
  /// The end of the part that begins at `begin` and can be encoded by itself.
  size_t next_cut(std::string_view piece, size_t begin) const { return cuttable_ ? cuts_.next(piece, begin) : piece.size(); }

  const Vocabulary& vocab() const { return vocab_; }

 private:
  void read_vocab(const Json& vocab, const std::string& where);
  void read_merges(const Json& merges, const std::string& where);
  void read_unknown(const Json& model, const std::string& where);
  void learn_cut(std::string_view left, std::string_view right);
  bool stands_in(std::string_view token, TokenId id) const;
  std::optional<TokenId> character(std::string_view piece, size_t at, size_t length) const;
  bool fall_back(std::string_view character, std::vector<TokenId>& symbols) const;
  void symbols_of(std::string_view piece, std::vector<TokenId>& symbols) const;

  bool byte_level_ = false, ignore_merges_ = false, fuse_unknown_ = false, cuttable_ = true;
  std::optional<TokenId> unknown_;
  bool byte_fallback_ = false;
  Vocabulary vocab_;
  std::array<TokenId, 256> bytes_{};     // byte-level: the token of each byte; else of each ASCII character; -1: none
  std::array<TokenId, 256> fallback_{};  // the tokens <0x00> to <0xFF>; -1: none
  MergeTable merges_;
  Cuts cuts_;
};

}  // namespace hellora
