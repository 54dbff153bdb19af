// bfloat16 as 16 bits: the upper half of an fp32.
#pragma once

#include <bit>
#include <cstdint>

namespace hellora::kernels {

inline float widen_bf16(uint16_t half) { return std::bit_cast<float>(static_cast<uint32_t>(half) << 16); }

/// Nearest, ties to even; NaN stays NaN.
inline uint16_t round_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

}  // namespace hellora::kernels
