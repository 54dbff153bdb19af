// AVX2 and FMA: fp32 tiles of 6 x 32, as two halves of 16 columns (12 accumulators of 8 lanes).
#include <immintrin.h>

#define HELLORA_SIMD_FLOATS 8
#include "hellora/kernels/bf16.h"
#include "hellora/kernels/reference_tile.h"
#include "hellora/kernels/simd.h"

namespace hellora::kernels {
namespace {

constexpr int kRows = 6;

/// One segment for 16 columns from `column`.
template <int MR>
void half_segment(const Segment& s, int64_t column, __m256 (&acc)[MR][2]) {
  const auto* a = static_cast<const float*>(s.a);
  const auto multiply = [&](__m256 w0, __m256 w1) {
#pragma GCC unroll 6
    for (int64_t i = 0; i < MR; ++i) {
      const __m256 x = _mm256_broadcast_ss(a + i);
      acc[i][0] = _mm256_fmadd_ps(x, w0, acc[i][0]);
      acc[i][1] = _mm256_fmadd_ps(x, w1, acc[i][1]);
    }
    a += s.a_step;
  };
  if (s.store == WeightType::f32) {
    const auto* b = static_cast<const float*>(s.b) + column;
    for (int64_t k = 0; k < s.k; ++k, b += kPanel) multiply(_mm256_load_ps(b), _mm256_load_ps(b + 8));
    return;
  }
  const char* b = static_cast<const char*>(s.b) + column * 4;
  const __m256i high = _mm256_set1_epi32(static_cast<int>(0xFFFF0000U));
  for (int64_t k = 0; k < s.k; k += 2, b += kPanel * 4) {
    const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(b)),
                  w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(b + 32));
    multiply(_mm256_castsi256_ps(_mm256_slli_epi32(w0, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(w1, 16)));
    multiply(_mm256_castsi256_ps(_mm256_and_si256(w0, high)), _mm256_castsi256_ps(_mm256_and_si256(w1, high)));
  }
}

template <int MR>
void f32_tile(const Segment* segments, int count, float* c, int64_t ldc, bool add) {
  for (int64_t column = 0; column < kPanel; column += 16) {
    __m256 acc[MR][2];
#pragma GCC unroll 6
    for (int64_t i = 0; i < MR; ++i) {
      for (int64_t h = 0; h < 2; ++h) acc[i][h] = add ? _mm256_loadu_ps(c + i * ldc + column + 8 * h) : _mm256_setzero_ps();
    }
    for (int64_t i = 0; i < count; ++i) half_segment<MR>(segments[i], column, acc);
#pragma GCC unroll 6
    for (int64_t i = 0; i < MR; ++i) {
      for (int64_t h = 0; h < 2; ++h) _mm256_storeu_ps(c + i * ldc + column + 8 * h, acc[i][h]);
    }
  }
}

void tile(Math math, int rows, const Segment* segments, int count, float* c, int64_t ldc, bool add) {
  if (math == Math::bf16) {
    reference_tile(math, rows, segments, count, c, ldc, add);
    return;
  }
  switch (rows) {
    case 1: f32_tile<1>(segments, count, c, ldc, add); return;
    case 2: f32_tile<2>(segments, count, c, ldc, add); return;
    case 3: f32_tile<3>(segments, count, c, ldc, add); return;
    case 4: f32_tile<4>(segments, count, c, ldc, add); return;
    case 5: f32_tile<5>(segments, count, c, ldc, add); return;
    default: f32_tile<6>(segments, count, c, ldc, add); return;
  }
}

void pack_rows(Math math, int rows, const float* const* source, int64_t k, int64_t padded, void* out) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < padded; ++i) {
      const float value = i < k ? source[row][i] : 0.0F;
      if (math == Math::bf16) {
        static_cast<uint16_t*>(out)[(i / kPanel * rows + row) * kPanel + i % kPanel] = round_bf16(value);
      } else {
        static_cast<float*>(out)[i * rows + row] = value;
      }
    }
  }
}

void pack_panel(Math math, int rows, const float* const* source, int64_t k, int64_t padded, void* out) {
  for (int64_t row = 0; row < kPanel; ++row) {
    for (int64_t i = 0; i < padded; ++i) {
      const float value = row < rows && i < k ? source[row][i] : 0.0F;
      if (math == Math::bf16) {
        static_cast<uint16_t*>(out)[(i / 2 * kPanel + row) * 2 + i % 2] = round_bf16(value);
      } else {
        static_cast<float*>(out)[i * kPanel + row] = value;
      }
    }
  }
}

/// (n, k) of each 32 x 32 block to (k, n), through a block that stays in L1.
void transpose_panels(const Packed& w, int64_t column, int64_t first, int64_t count, void* out) {
  for (int64_t p = 0; p < count; ++p) {
    if (w.store == WeightType::f32) {
      const auto* in = reinterpret_cast<const float*>(w.panel(first + p)) + column * kPanel;
      auto* to = static_cast<float*>(out) + p * kPanel * kPanel;
      for (int64_t n = 0; n < kPanel; ++n) {
        for (int64_t k = 0; k < kPanel; ++k) to[n * kPanel + k] = in[k * kPanel + n];
      }
      continue;
    }
    const auto* in = reinterpret_cast<const uint16_t*>(w.panel(first + p)) + column * kPanel;
    auto* to = static_cast<uint16_t*>(out) + p * kPanel * kPanel;
    for (int64_t n = 0; n < kPanel; ++n) {
      for (int64_t k = 0; k < kPanel; ++k) to[(n / 2 * kPanel + k) * 2 + n % 2] = in[(k / 2 * kPanel + n) * 2 + k % 2];
    }
  }
}

double burn(Math, int64_t rounds) {
  __m256 c[12];
  for (__m256& one : c) one = _mm256_setzero_ps();
  const __m256 x = _mm256_set1_ps(1e-6F);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (__m256& one : c) {
      one = _mm256_fmadd_ps(x, x, one);
      asm volatile("" : "+x"(one));
    }
  }
  return static_cast<double>(rounds) * 12 * 16;
}

}  // namespace

extern const Primitives<float> kAvx2F32;
const Primitives<float> kAvx2F32 = {{kRows},      {kRows},          tile,         pack_rows, pack_panel,        transpose_panels,
                                    swiglu,       swiglu_backward,  axpy,         rms_norm,  rms_norm_backward, softmax_loss,
                                    softmax_step, softmax_backward, dropout_mask, burn};

}  // namespace hellora::kernels
