#include "hellora/text/piece_cache.h"

#include <algorithm>
#include <cstring>

namespace hellora {
namespace {

template <class Word>
uint64_t load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

/// The last eight bytes, or all where there are less, as a number. Copies of a constant size, which may overlap, take one instruction.
uint64_t last_word(const char* text, size_t size) {
  if (size >= 8) return load<uint64_t>(text + size - 8);
  if (size >= 4) return load<uint32_t>(text) | (load<uint32_t>(text + size - 4) << 32);
  return size == 0 ? 0 : load<uint8_t>(text) | (load<uint8_t>(text + size / 2) << 8) | (load<uint8_t>(text + size - 1) << 16);
}

bool same(const char* a, const char* b, size_t size) {
  for (size_t at = 0; at + 8 < size; at += 8) {
    if (load<uint64_t>(a + at) != load<uint64_t>(b + at)) return false;
  }
  return last_word(a, size) == last_word(b, size);
}

}  // namespace

size_t PieceCache::place(uint32_t owner, uint8_t level, std::string_view piece) {
  constexpr uint64_t kMix = 0x9E3779B97F4A7C15ULL;
  uint64_t hash = ((uint64_t{owner} << 16) | (uint64_t{level} << 8) | piece.size()) * kMix;
  const auto mix = [&](uint64_t word) { hash = (hash ^ (hash >> 32) ^ word) * kMix; };
  for (size_t at = 0; at + 8 < piece.size(); at += 8) mix(load<uint64_t>(piece.data() + at));
  mix(last_word(piece.data(), piece.size()));
  return static_cast<size_t>(hash >> (64 - kSlotBits));  // the only bits that all of the last word reaches
}

bool PieceCache::find(uint32_t owner, uint8_t level, std::string_view piece, std::vector<int64_t>& ids) const {
  if (piece.size() > kMaxText) return false;
  const Slot& slot = slots_[place(owner, level, piece)];
  if (slot.owner != owner || slot.length != piece.size() || slot.level_and_count >> 4 != level) return false;
  if (!same(slot.text.data(), piece.data(), piece.size())) return false;
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
