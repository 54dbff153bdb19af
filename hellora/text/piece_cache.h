// Remembers the tokens of short pieces. Texts repeat their words, so most pieces never reach the patterns and merges behind it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hellora {

/// A table of fixed size in which a new entry takes the place of an old one: bounded, and nothing to evict. One per thread.
class PieceCache {
 public:
  static constexpr size_t kMaxText = 26, kMaxIds = 8;  // an entry fills one cache line

  PieceCache() : slots_(kSlots) {}

  /// Appends what was remembered for the piece under this owner (not 0) and level; false if nothing is.
  bool find(uint32_t owner, uint8_t level, std::string_view piece, std::vector<int64_t>& ids) const;
  /// Remembers ids[begin…]; what does not fit an entry is left out.
  void put(uint32_t owner, uint8_t level, std::string_view piece, const std::vector<int64_t>& ids, size_t begin);

 private:
  static constexpr int kSlotBits = 16;
  static constexpr size_t kSlots = size_t{1} << kSlotBits;
  struct Slot {
    uint32_t owner = 0;  // 0: free
    uint8_t length = 0, level_and_count = 0;
    std::array<char, kMaxText> text{};
    std::array<int32_t, kMaxIds> ids{};
  };
  static_assert(sizeof(Slot) == 64);
  static size_t place(uint32_t owner, uint8_t level, std::string_view piece);

  std::vector<Slot> slots_;
};

/// The calling thread's.
PieceCache& piece_cache();

}  // namespace hellora
