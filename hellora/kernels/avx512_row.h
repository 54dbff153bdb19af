// What both AVX-512 rows share: fp32 tiles of 14 x 32, operand packing and panel transposition by 16 x 16 blocks.
#pragma once

#include <immintrin.h>

#include <algorithm>

#define HELLORA_SIMD_FLOATS 16
#include "hellora/kernels/simd.h"

namespace hellora::kernels {
namespace {

constexpr int64_t kPairBytes = kPanel * 4;  // one k pair of a bf16 panel

/// Fetches ahead in small steps between the products: fetch() after every column (pair), end_chunk() after every 32 columns.
class Fetcher {
 public:
  Fetcher(const Ahead& ahead, const void* otherwise, int64_t steps)
      : at_(static_cast<const char*>(ahead.data != nullptr ? ahead.data : otherwise)),
        step_(ahead.data != nullptr ? ahead.bytes / steps : 0),
        leap_(ahead.data != nullptr ? ahead.jump - ahead.bytes / steps * steps : 0) {}
  void fetch() {
    _mm_prefetch(at_, _MM_HINT_T1);
    _mm_prefetch(at_ + 64, _MM_HINT_T1);
    at_ += step_;
  }
  void end_chunk() { at_ += leap_; }

 private:
  const char* at_;
  int64_t step_, leap_;
};

/// 28 accumulators over one segment. B is bf16: low halves are even k, high halves odd k.
template <int MR>
inline void f32_segment_bf16(const Segment& s, __m512 (&acc)[MR][2]) {
  const auto* a = static_cast<const float*>(s.a);
  const auto* b = static_cast<const char*>(s.b);
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U));
  Fetcher fetcher(s.ahead, b, 16);
  for (int64_t chunk = 0; chunk < s.k; chunk += 32, fetcher.end_chunk()) {
    const int64_t pairs = std::min<int64_t>(s.k - chunk, 32) / 2;
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const __m512i w0 = _mm512_load_si512(b), w1 = _mm512_load_si512(b + 64);
      const __m512 even0 = _mm512_castsi512_ps(_mm512_slli_epi32(w0, 16)), even1 = _mm512_castsi512_ps(_mm512_slli_epi32(w1, 16));
#pragma GCC unroll 14
      for (int64_t i = 0; i < MR; ++i) {
        const __m512 x = _mm512_set1_ps(a[i]);
        acc[i][0] = _mm512_fmadd_ps(x, even0, acc[i][0]);
        acc[i][1] = _mm512_fmadd_ps(x, even1, acc[i][1]);
      }
      a += s.a_step;
      const __m512 odd0 = _mm512_castsi512_ps(_mm512_and_si512(w0, high)), odd1 = _mm512_castsi512_ps(_mm512_and_si512(w1, high));
#pragma GCC unroll 14
      for (int64_t i = 0; i < MR; ++i) {
        const __m512 x = _mm512_set1_ps(a[i]);
        acc[i][0] = _mm512_fmadd_ps(x, odd0, acc[i][0]);
        acc[i][1] = _mm512_fmadd_ps(x, odd1, acc[i][1]);
      }
      a += s.a_step;
      fetcher.fetch();
      b += kPairBytes;
    }
  }
}

template <int MR>
inline void f32_segment_f32(const Segment& s, __m512 (&acc)[MR][2]) {
  const auto* a = static_cast<const float*>(s.a);
  const auto* b = static_cast<const float*>(s.b);
  Fetcher fetcher(s.ahead, b, 32);
  for (int64_t chunk = 0; chunk < s.k; chunk += 32, fetcher.end_chunk()) {
    const int64_t columns = std::min<int64_t>(s.k - chunk, 32);
    for (int64_t column = 0; column < columns; ++column) {
      const __m512 w0 = _mm512_load_ps(b), w1 = _mm512_load_ps(b + 16);
#pragma GCC unroll 14
      for (int64_t i = 0; i < MR; ++i) {
        const __m512 x = _mm512_set1_ps(a[i]);
        acc[i][0] = _mm512_fmadd_ps(x, w0, acc[i][0]);
        acc[i][1] = _mm512_fmadd_ps(x, w1, acc[i][1]);
      }
      a += s.a_step;
      fetcher.fetch();
      b += kPanel;
    }
  }
}

template <int MR, class Run>
inline void tile_of(float* c, int64_t ldc, bool add, const Run& run) {
  __m512 acc[MR][2];
#pragma GCC unroll 14
  for (int64_t i = 0; i < MR; ++i) {
    acc[i][0] = add ? _mm512_loadu_ps(c + i * ldc) : _mm512_setzero_ps();
    acc[i][1] = add ? _mm512_loadu_ps(c + i * ldc + 16) : _mm512_setzero_ps();
  }
  run(acc);
#pragma GCC unroll 14
  for (int64_t i = 0; i < MR; ++i) {
    _mm512_storeu_ps(c + i * ldc, acc[i][0]);
    _mm512_storeu_ps(c + i * ldc + 16, acc[i][1]);
  }
}

template <int MR>
void f32_tile(const Segment* segments, int count, float* c, int64_t ldc, bool add) {
  tile_of<MR>(c, ldc, add, [&](__m512(&acc)[MR][2]) {
    for (int64_t i = 0; i < count; ++i) {
      if (segments[i].store == WeightType::bf16) {
        f32_segment_bf16<MR>(segments[i], acc);
      } else {
        f32_segment_f32<MR>(segments[i], acc);
      }
    }
  });
}

/// 16 x 16 words: r[i] lane j becomes r[j] lane i.
inline void transpose16(__m512i (&r)[16]) {
  __m512i t[16];
  for (int64_t i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 2; ++j) {
      r[4 * i + 2 * j] = _mm512_unpacklo_epi64(t[4 * i + j], t[4 * i + 2 + j]);
      r[4 * i + 2 * j + 1] = _mm512_unpackhi_epi64(t[4 * i + j], t[4 * i + 2 + j]);
    }
  }
  for (int64_t j = 0; j < 4; ++j) {
    t[j] = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88);
    t[4 + j] = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xDD);
    t[8 + j] = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
    t[12 + j] = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xDD);
  }
  for (int64_t j = 0; j < 4; ++j) {
    r[j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0x88);
    r[8 + j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0xDD);
    r[4 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0x88);
    r[12 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0xDD);
  }
}

/// 32 floats to 16 words of two bf16, nearest even, as the reference rounds.
inline __m512i round_pairs(__m512 low, __m512 high) {
  const auto rounded = [](__m512 v) {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7FFF));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_srli_epi32(_mm512_mask_or_epi32(sum, nan, bits, _mm512_set1_epi32(0x400000)), 16);
  };
  const __m512i words = _mm512_permutex2var_epi16(rounded(low),
                                                  _mm512_set_epi16(62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28,
                                                                   26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0),
                                                  rounded(high));
  return words;
}

/// The lanes of [at, at + 16) that lie below k.
inline __mmask16 lanes_below(int64_t at, int64_t k) {
  if (at + 16 <= k) return 0xFFFF;
  return at >= k ? __mmask16{0} : static_cast<__mmask16>((1U << (k - at)) - 1U);
}

void pack_bf16(int rows, const float* const* source, int64_t k, int64_t padded, void* out) {
  auto* target = static_cast<char*>(out);
  for (int64_t at = 0; at < padded; at += 32) {
    for (int64_t i = 0; i < rows; ++i, target += 64) {
      _mm512_storeu_si512(target, round_pairs(_mm512_maskz_loadu_ps(lanes_below(at, k), source[i] + at),
                                              _mm512_maskz_loadu_ps(lanes_below(at + 16, k), source[i] + at + 16)));
    }
  }
}

/// Up to 16 rows of fp32 beside others in strips of `step` rows; `wanted` of them are written.
void pack_full(int rows, const float* const* source, int64_t k, int64_t padded, float* target, int64_t step, __mmask16 wanted) {
  for (int64_t at = 0; at < padded; at += 16) {
    __m512i r[16];
    for (int64_t i = 0; i < 16; ++i) {
      r[i] = i < rows ? _mm512_castps_si512(_mm512_maskz_loadu_ps(lanes_below(at, k), source[i] + at)) : _mm512_setzero_si512();
    }
    transpose16(r);
    for (int64_t j = 0; j < 16; ++j, target += step) _mm512_mask_storeu_epi32(target, wanted, r[j]);
  }
}

void pack_rows(Math math, int rows, const float* const* source, int64_t k, int64_t padded, void* out) {
  if (math == Math::bf16) return pack_bf16(rows, source, k, padded, out);
  for (int i = 0; i < rows; i += 16) {
    const int own = std::min(rows - i, 16);
    pack_full(own, source + i, k, padded, static_cast<float*>(out) + i, rows, static_cast<__mmask16>((1U << own) - 1U));
  }
}

void pack_panel(Math math, int rows, const float* const* source, int64_t k, int64_t padded, void* out) {
  if (math == Math::full) {
    for (int first = 0; first < 32; first += 16) {
      pack_full(std::clamp(rows - first, 0, 16), source + first, k, padded, static_cast<float*>(out) + first, kPanel, 0xFFFF);
    }
    return;
  }
  auto* target = static_cast<char*>(out);
  for (int64_t at = 0; at < padded; at += 32, target += 16 * kPairBytes) {
    for (int64_t first = 0; first < 32; first += 16) {
      __m512i r[16];
      for (int64_t i = 0; i < 16; ++i) {
        r[i] = first + i < rows ? round_pairs(_mm512_maskz_loadu_ps(lanes_below(at, k), source[first + i] + at),
                                              _mm512_maskz_loadu_ps(lanes_below(at + 16, k), source[first + i] + at + 16))
                                : _mm512_setzero_si512();
      }
      transpose16(r);
      for (int64_t j = 0; j < 16; ++j) _mm512_storeu_si512(target + j * kPairBytes + first * 4, r[j]);
    }
  }
}

/// One 32 x 32 block of a bf16 panel: words of k pairs become words of n pairs.
inline void transpose_bf16_block(const char* in, char* out, __m512i low, __m512i high) {
  for (int64_t half = 0; half < 2; ++half) {
    __m512i r[16];
    for (int64_t j = 0; j < 16; ++j) r[j] = _mm512_load_si512(in + j * kPairBytes + half * 64);
    transpose16(r);  // r[n]: 16 k pairs of row n
    for (int64_t i = 0; i < 8; ++i, out += kPairBytes) {
      _mm512_store_si512(out, _mm512_permutex2var_epi16(r[2 * i], low, r[2 * i + 1]));
      _mm512_store_si512(out + 64, _mm512_permutex2var_epi16(r[2 * i], high, r[2 * i + 1]));
    }
  }
}

void transpose_panels(const Packed& w, int64_t column, int64_t first, int64_t count, void* out) {
  auto* target = static_cast<char*>(out);
  if (w.store == WeightType::f32) {
    for (int64_t p = 0; p < count; ++p) {
      const auto* in = reinterpret_cast<const float*>(w.panel(first + p)) + column * kPanel;
      for (int64_t q = 0; q < 4; ++q) {  // quarters: (16 k) x (16 n)
        const int64_t k0 = q / 2 * 16, n0 = q % 2 * 16;
        __m512i r[16];
        for (int64_t j = 0; j < 16; ++j) r[j] = _mm512_load_si512(in + (k0 + j) * kPanel + n0);
        transpose16(r);
        for (int64_t j = 0; j < 16; ++j) _mm512_store_si512(target + ((p * kPanel + n0 + j) * kPanel + k0) * 4, r[j]);
      }
    }
    return;
  }
  alignas(64) uint16_t order[64];
  for (int64_t k = 0; k < 16; ++k) {
    order[2 * k] = static_cast<uint16_t>(k);
    order[2 * k + 1] = static_cast<uint16_t>(32 + k);
    order[32 + 2 * k] = static_cast<uint16_t>(16 + k);
    order[32 + 2 * k + 1] = static_cast<uint16_t>(48 + k);
  }
  const __m512i low = _mm512_load_si512(order), high = _mm512_load_si512(order + 32);
  const char* in = reinterpret_cast<const char*>(w.panel(first)) + column / 2 * kPairBytes;
  for (int64_t p = 0; p < count; ++p, in += w.panel_bytes(), target += kPanel * kPanel * 2) {
    const char* ahead = in + w.panel_bytes();  // the next block is far away: no hardware stream finds it
    for (int64_t j = 0; j < 32; ++j) _mm_prefetch(ahead + j * 64, _MM_HINT_T0);
    transpose_bf16_block(in, target, low, high);
  }
}

double burn_fma(int64_t rounds) {
  __m512 c[12];
  for (__m512& one : c) one = _mm512_setzero_ps();
  const __m512 x = _mm512_set1_ps(1e-6F);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (__m512& one : c) {
      one = _mm512_fmadd_ps(x, x, one);
      asm volatile("" : "+v"(one));
    }
  }
  return static_cast<double>(rounds) * 12 * 32;
}

#define HELLORA_TILE_ROWS(CALL) \
  switch (rows) {               \
    case 1: CALL(1); break;     \
    case 2: CALL(2); break;     \
    case 3: CALL(3); break;     \
    case 4: CALL(4); break;     \
    case 5: CALL(5); break;     \
    case 6: CALL(6); break;     \
    case 7: CALL(7); break;     \
    case 8: CALL(8); break;     \
    case 9: CALL(9); break;     \
    case 10: CALL(10); break;   \
    case 11: CALL(11); break;   \
    case 12: CALL(12); break;   \
    case 13: CALL(13); break;   \
    default: CALL(14); break;   \
  }

void tile_full(int rows, const Segment* segments, int count, float* c, int64_t ldc, bool add) {
#define HELLORA_CALL(MR) f32_tile<MR>(segments, count, c, ldc, add)
  HELLORA_TILE_ROWS(HELLORA_CALL)
#undef HELLORA_CALL
}

}  // namespace
}  // namespace hellora::kernels
