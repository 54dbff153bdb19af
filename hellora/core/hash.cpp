#include "hellora/core/hash.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "hellora/core/hash_stream.h"
#include "hellora/core/rng.h"

namespace hellora {

HashStream::HashStream(uint64_t seed) : lane_{seed ^ 1, seed ^ 2, seed ^ 3, seed ^ 4} {}

void HashStream::block(const std::byte* bytes) {
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15ULL;
  std::array<uint64_t, 4> word;
  std::memcpy(word.data(), bytes, kBlock);
  for (size_t l = 0; l < 4; ++l) {
    lane_[l] = (lane_[l] ^ word[l]) * kOdd;
    lane_[l] ^= lane_[l] >> 29;
  }
}

void HashStream::add(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  if (held_ > 0) {
    const size_t taken = std::min(kBlock - held_, bytes.size());
    std::copy_n(bytes.begin(), taken, rest_.begin() + static_cast<std::ptrdiff_t>(held_));
    held_ += taken;
    bytes = bytes.subspan(taken);
    if (held_ < kBlock) return;
    block(rest_.data());
    held_ = 0;
  }
  size_t at = 0;
  for (; at + kBlock <= bytes.size(); at += kBlock) block(bytes.data() + at);
  held_ = bytes.size() - at;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), held_, rest_.begin());
}

uint64_t HashStream::value() const {
  uint64_t state = mix64(mix64(mix64(mix64(size_, lane_[0]), lane_[1]), lane_[2]), lane_[3]);
  for (size_t i = 0; i < held_; ++i) state = mix64(state, static_cast<uint64_t>(rest_[i]));
  return state;
}

uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed) {
  HashStream stream(seed);
  stream.add(bytes);
  return stream.value();
}

uint64_t hash_string(std::string_view text, uint64_t seed) { return hash_bytes(std::as_bytes(std::span(text.data(), text.size())), seed); }

std::string hex64(uint64_t value) {
  std::string out(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4) out[i] = "0123456789abcdef"[value & 15];
  return out;
}

}  // namespace hellora
