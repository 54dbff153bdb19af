// Byte-pair encoding of one piece of text: merge the pair of lowest rank, leftmost first, until none is left.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hellora/core/json.h"

namespace hellora {

class Bpe {
 public:
  /// From tokenizer.json's `model` object: vocab, merges as "a b" or ["a", "b"], ignore_merges. FormatError otherwise.
  Bpe(const Json& model, const std::string& where);

  /// Appends the ids of a piece. DataError when a character is not in the vocabulary.
  void encode(std::string_view piece, std::vector<int64_t>& ids) const;

  const std::unordered_map<std::string, int64_t>& vocab() const { return vocab_; }

 private:
  struct Merge {
    int32_t rank;
    int64_t id;  // of the merged token
  };
  void read_merges(const Json& merges, const std::string& where);

  std::unordered_map<std::string, int64_t> vocab_;
  std::unordered_map<uint64_t, Merge> merges_;  // key: left id << 32 | right id
  bool ignore_merges_ = false;
};

}  // namespace hellora
