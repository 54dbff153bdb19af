#include "hellora/text/piece_cache.h"

#include <algorithm>
#include <cstring>

namespace hellora {

size_t PieceCache::place(uint32_t owner, uint8_t level, std::string_view piece) {
  constexpr uint64_t kMix = 0x9E3779B97F4A7C15ULL;
  uint64_t hash = ((uint64_t{owner} << 16) | (uint64_t{level} << 8) | piece.size()) * kMix;
  for (size_t at = 0; at < piece.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, piece.data() + at, std::min<size_t>(8, piece.size() - at));
    hash = (hash ^ (hash >> 32) ^ word) * kMix;
  }
  return static_cast<size_t>(hash >> 40) % kSlots;
}

bool PieceCache::find(uint32_t owner, uint8_t level, std::string_view piece, std::vector<int64_t>& ids) const {
  if (piece.size() > kMaxText) return false;
  const Slot& slot = slots_[place(owner, level, piece)];
  if (slot.owner != owner || slot.length != piece.size() || slot.level_and_count >> 4 != level) return false;
  if (std::memcmp(slot.text.data(), piece.data(), piece.size()) != 0) return false;
  ids.insert(ids.end(), slot.ids.begin(), slot.ids.begin() + (slot.level_and_count & 15));
  return true;
}

void PieceCache::put(uint32_t owner, uint8_t level, std::string_view piece, const std::vector<int64_t>& ids, size_t begin) {
  const size_t count = ids.size() - begin;
  if (piece.size() > kMaxText || count > kMaxIds || level > 15) return;
  Slot& slot = slots_[place(owner, level, piece)];
  slot.owner = owner;
  slot.length = static_cast<uint8_t>(piece.size());
  slot.level_and_count = static_cast<uint8_t>((level << 4) | count);
  std::copy(piece.begin(), piece.end(), slot.text.begin());
  for (size_t i = 0; i < count; ++i) slot.ids[i] = static_cast<int32_t>(ids[begin + i]);
}

PieceCache& piece_cache() {
  thread_local PieceCache cache;
  return cache;
}

}  // namespace hellora
