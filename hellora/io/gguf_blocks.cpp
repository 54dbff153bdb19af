// d: scale of a block, m: its minimum; a K block has 256 elements in groups of 16 or 32 with scales (and minimums) of few bits.
#include "hellora/io/gguf_blocks.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "hellora/core/error.h"

namespace hellora {
namespace {

using Bytes = const uint8_t*;

uint16_t half_at(Bytes at) { return static_cast<uint16_t>(at[0] | (at[1] << 8)); }
uint32_t word_at(Bytes at) { return static_cast<uint32_t>(half_at(at)) | (static_cast<uint32_t>(half_at(at + 2)) << 16); }
float scale_at(Bytes at) { return widen_half(half_at(at)); }
float signed_at(Bytes at) { return static_cast<float>(static_cast<int8_t>(*at)); }

void read_f32(Bytes block, float* out) { *out = std::bit_cast<float>(word_at(block)); }
void read_f16(Bytes block, float* out) { *out = scale_at(block); }
void read_bf16(Bytes block, float* out) { *out = std::bit_cast<float>(static_cast<uint32_t>(half_at(block)) << 16); }

/// 32 elements: low nibbles are the first half of them, high nibbles the second; bit i of `fifth` is the fifth bit of element i.
template <class Value>
void nibbles(Bytes packed, uint32_t fifth, float* out, const Value& value) {
  for (uint32_t i = 0; i < 16; ++i) {
    out[i] = value(static_cast<int>((packed[i] & 15U) | (((fifth >> i) & 1U) << 4)));
    out[i + 16] = value(static_cast<int>((packed[i] >> 4) | (((fifth >> (i + 16)) & 1U) << 4)));
  }
}

void read_q4_0(Bytes block, float* out) {
  const float d = scale_at(block);
  nibbles(block + 2, 0, out, [&](int q) { return static_cast<float>(q - 8) * d; });
}

void read_q4_1(Bytes block, float* out) {
  const float d = scale_at(block), m = scale_at(block + 2);
  nibbles(block + 4, 0, out, [&](int q) { return static_cast<float>(q) * d + m; });
}

void read_q5_0(Bytes block, float* out) {
  const float d = scale_at(block);
  nibbles(block + 6, word_at(block + 2), out, [&](int q) { return static_cast<float>(q - 16) * d; });
}

void read_q5_1(Bytes block, float* out) {
  const float d = scale_at(block), m = scale_at(block + 2);
  nibbles(block + 8, word_at(block + 4), out, [&](int q) { return static_cast<float>(q) * d + m; });
}

void read_q8_0(Bytes block, float* out) {
  const float d = scale_at(block);
  for (size_t i = 0; i < 32; ++i) out[i] = signed_at(block + 2 + i) * d;
}

/// Elements of two bits: each half of the block has four planes over 32 bytes, and a plane two groups of 16.
/// value(group, place of the byte, bits) for each element.
template <class Value>
void planes(Bytes packed, float* out, const Value& value) {
  for (size_t i = 0; i < 256; ++i) {
    const size_t half = i / 128, plane = i % 128 / 32, place = i % 32;
    out[i] = value(i, place, static_cast<int>((packed[32 * half + place] >> (2 * plane)) & 3U));
  }
}

void read_q2_k(Bytes block, float* out) {
  const float d = scale_at(block + 80), m = scale_at(block + 82);
  planes(block + 16, out, [&](size_t i, size_t, int q) {
    const uint8_t scale = block[i / 16];
    const float product = d * static_cast<float>(scale & 15) * static_cast<float>(q);
    return product - m * static_cast<float>(scale >> 4);
  });
}

/// 16 scales of six bits, less 32: the low four lie in eight bytes as nibbles, the high two in four bytes.
int q3_scale(Bytes scales, size_t group) {
  const int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
  const int high = (scales[8 + group % 4] >> (2 * (group / 4))) & 3;
  return (low | (high << 4)) - 32;
}

void read_q3_k(Bytes block, float* out) {
  const float d = scale_at(block + 108);
  planes(block + 32, out, [&](size_t i, size_t place, int q) {
    const bool third = ((block[place] >> (i / 32)) & 1) != 0;  // the bit that is not set takes four away
    return d * static_cast<float>(q3_scale(block + 96, i / 16)) * static_cast<float>(third ? q : q - 4);
  });
}

struct ScaleMin {
  float scale, minimum;
};

/// Eight pairs of six bits in twelve bytes: the first four as they are, of the last four the high two bits above the first.
ScaleMin scale_min(Bytes scales, size_t group) {
  if (group < 4) return {static_cast<float>(scales[group] & 63), static_cast<float>(scales[group + 4] & 63)};
  const int scale = (scales[group + 4] & 15) | ((scales[group - 4] >> 6) << 4);
  const int minimum = (scales[group + 4] >> 4) | ((scales[group] >> 6) << 4);
  return {static_cast<float>(scale), static_cast<float>(minimum)};
}

/// Eight groups of 32: two of them share 32 bytes, one in the low nibbles. `fifth` holds a bit of each group, or is null.
void groups_of_32(Bytes block, Bytes fifth, Bytes packed, float* out) {
  const float d = scale_at(block), m = scale_at(block + 2);
  for (size_t group = 0; group < 8; ++group) {
    const ScaleMin one = scale_min(block + 4, group);
    const float scale = d * one.scale, minimum = m * one.minimum;
    for (size_t i = 0; i < 32; ++i) {
      const int nibble = (packed[32 * (group / 2) + i] >> (4 * (group % 2))) & 15;
      const int high = fifth == nullptr ? 0 : (fifth[i] >> group) & 1;
      out[32 * group + i] = scale * static_cast<float>(nibble | (high << 4)) - minimum;
    }
  }
}

void read_q4_k(Bytes block, float* out) { groups_of_32(block, nullptr, block + 16, out); }
void read_q5_k(Bytes block, float* out) { groups_of_32(block, block + 16, block + 48, out); }

/// Each half: 64 bytes of low nibbles for 128 elements, 32 bytes with the high two bits of four elements each.
void read_q6_k(Bytes block, float* out) {
  const float d = scale_at(block + 208);
  for (size_t i = 0; i < 256; ++i) {
    const size_t half = i / 128, plane = i % 128 / 32, place = i % 32;
    const int low = (block[64 * half + 32 * (plane % 2) + place] >> (4 * (plane / 2))) & 15;
    const int high = (block[128 + 32 * half + place] >> (2 * plane)) & 3;
    out[i] = d * signed_at(block + 192 + i / 16) * static_cast<float>((low | (high << 4)) - 32);
  }
}

using Reader = void (*)(Bytes block, float* out);

Reader reader_of(GgufType type) {
  switch (type) {
    case GgufType::f32: return read_f32;
    case GgufType::f16: return read_f16;
    case GgufType::bf16: return read_bf16;
    case GgufType::q4_0: return read_q4_0;
    case GgufType::q4_1: return read_q4_1;
    case GgufType::q5_0: return read_q5_0;
    case GgufType::q5_1: return read_q5_1;
    case GgufType::q8_0: return read_q8_0;
    case GgufType::q2_k: return read_q2_k;
    case GgufType::q3_k: return read_q3_k;
    case GgufType::q4_k: return read_q4_k;
    case GgufType::q5_k: return read_q5_k;
    case GgufType::q6_k: return read_q6_k;
  }
  HELLORA_CHECK(false, "a type of the table has a reader");
}

}  // namespace

float widen_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16, exponent = (half >> 10) & 31U, fraction = half & 0x3FFU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
  if (exponent > 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float small = static_cast<float>(fraction) * 0x1p-24F;  // exact
  return std::bit_cast<float>(std::bit_cast<uint32_t>(small) | sign);
}

void dequantise(GgufType type, std::span<const std::byte> bytes, std::span<float> values) {
  const GgufBlock& block = block_of(type);
  const auto elements = static_cast<size_t>(block.elements);
  HELLORA_CHECK(values.size() % elements == 0 && bytes.size() == values.size() / elements * block.bytes, "bytes of whole blocks");
  const Reader read = reader_of(type);
  const auto* from = reinterpret_cast<Bytes>(bytes.data());
  for (size_t i = 0; i * elements < values.size(); ++i) read(from + i * block.bytes, values.data() + i * elements);
}

}  // namespace hellora
