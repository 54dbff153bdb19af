// The merge table of BPE and the merging itself: the pair of lowest rank, leftmost first, until none is left.
#pragma once

#include <cstdint>
#include <vector>

#include "hellora/text/vocabulary.h"

namespace hellora {

struct Merge {
  int32_t rank = -1;  // -1: no merge
  TokenId id = -1;    // of the merged token
};

/// Pairs of tokens, each with its rank. Open addressing: a look-up touches one cache line where a node-based map takes several.
class MergeTable {
 public:
  explicit MergeTable(size_t pairs);
  /// A pair that is there already gets the new merge.
  void set(TokenId left, TokenId right, Merge merge);
  Merge find(TokenId left, TokenId right) const {
    for (size_t at = place(key_of(left, right));; at = (at + 1) & mask_) {
      const Entry& entry = entries_[at];
      if (entry.key == key_of(left, right)) return entry.merge;
      if (entry.key == kFree) return {};
    }
  }

 private:
  static constexpr uint64_t kFree = ~uint64_t{0};  // ids are not negative
  struct Entry {
    uint64_t key = kFree;
    Merge merge;
  };
  static uint64_t key_of(TokenId left, TokenId right) { return (static_cast<uint64_t>(left) << 32) | static_cast<uint32_t>(right); }
  size_t place(uint64_t key) const { return static_cast<size_t>((key * 0x9E3779B97F4A7C15ULL) >> shift_); }

  std::vector<Entry> entries_;
  size_t mask_ = 0;
  int shift_ = 0;
};

/// Merges in place. Takes O(n log n) whatever the text; short lists take the simple way.
void merge_all(const MergeTable& table, std::vector<TokenId>& ids);

/// The two ways, for merge_all and tests: O(n²) without preparation, and with a queue.
void merge_short(const MergeTable& table, std::vector<TokenId>& ids);
void merge_long(const MergeTable& table, std::vector<TokenId>& ids);

}  // namespace hellora
