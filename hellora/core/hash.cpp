#include "hellora/core/hash.h"

#include <array>
#include <cstring>

#include "hellora/core/rng.h"

namespace hellora {

uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed) {
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15ULL;
  std::array<uint64_t, 4> lane = {seed ^ 1, seed ^ 2, seed ^ 3, seed ^ 4};
  size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32) {
    std::array<uint64_t, 4> word;
    std::memcpy(word.data(), bytes.data() + at, 32);
    for (size_t l = 0; l < 4; ++l) {
      lane[l] = (lane[l] ^ word[l]) * kOdd;
      lane[l] ^= lane[l] >> 29;
    }
  }
  uint64_t state = mix64(mix64(mix64(mix64(bytes.size(), lane[0]), lane[1]), lane[2]), lane[3]);
  for (; at < bytes.size(); ++at) state = mix64(state, static_cast<uint64_t>(bytes[at]));
  return state;
}

uint64_t hash_string(std::string_view text, uint64_t seed) { return hash_bytes(std::as_bytes(std::span(text.data(), text.size())), seed); }

std::string hex64(uint64_t value) {
  std::string out(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4) out[i] = "0123456789abcdef"[value & 15];
  return out;
}

}  // namespace hellora
