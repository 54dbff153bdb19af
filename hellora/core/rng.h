// Counter-based random numbers: a value is a function of its key and its position, never of execution order.
// Philox-4x32-10 (Salmon et al., SC 2011).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace hellora {

struct RngKey {
  uint32_t low = 0, high = 0;
};

/// Mixes one more number into a 64-bit state (the SplitMix64 finaliser).
constexpr uint64_t mix64(uint64_t state, uint64_t value) {
  uint64_t z = state + 0x9E3779B97F4A7C15ULL + value * 0xD1342543DE82EF95ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

constexpr uint64_t hash_text(std::string_view text) {
  uint64_t state = 0;
  for (const char c : text) state = mix64(state, static_cast<unsigned char>(c));
  return mix64(state, text.size());
}

/// A key from any number of numbers, e.g. make_key(seed, phase, step, micro_batch).
template <class... Parts>
constexpr RngKey make_key(Parts... parts) {
  uint64_t state = 0x243F6A8885A308D3ULL;
  ((state = mix64(state, static_cast<uint64_t>(parts))), ...);
  return {static_cast<uint32_t>(state), static_cast<uint32_t>(state >> 32)};
}

/// Four independent 32-bit numbers for one counter value.
constexpr std::array<uint32_t, 4> philox(RngKey key, std::array<uint32_t, 4> counter) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53U} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key.low, static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key.high, static_cast<uint32_t>(product0)};
    key.low += 0x9E3779B9U;
    key.high += 0xBB67AE85U;
  }
  return counter;
}

/// Uniform in [0, 1) with 24 bits.
constexpr float unit_float(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1.0p-24F; }

/// Uniform 64-bit number for a one-dimensional position.
constexpr uint64_t random_u64(RngKey key, uint64_t position) {
  const auto r = philox(key, {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0, 0});
  return (uint64_t{r[1]} << 32) | r[0];
}

/// Uniform in [0, 1) with 53 bits.
constexpr double unit_double(RngKey key, uint64_t position) { return static_cast<double>(random_u64(key, position) >> 11) * 0x1.0p-53; }

}  // namespace hellora
