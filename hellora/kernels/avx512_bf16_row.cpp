// AVX-512 with bf16 dot products (Zen 4, Cooper Lake, Sapphire Rapids): bf16 operands, fp32 sums.
#include "hellora/kernels/avx512_row.h"

namespace hellora::kernels {
namespace {

template <int MR>
void dot_tile(const Segment* segments, int count, float* c, int64_t ldc, bool add, const char* next, int64_t step) {
  tile_of<MR>(c, ldc, add, [&](__m512(&acc)[MR][2]) {
    for (int64_t i = 0; i < count; ++i) {
      const Segment& s = segments[i];
      const auto* a = static_cast<const float*>(s.a);  // a pair of bf16 moves as one 32-bit word
      const auto* b = static_cast<const char*>(s.b);
      for (int64_t k = 0; k < s.k; k += 2) {
        const auto w0 = reinterpret_cast<__m512bh>(_mm512_load_ps(b)), w1 = reinterpret_cast<__m512bh>(_mm512_load_ps(b + 64));
#pragma GCC unroll 14
        for (int64_t r = 0; r < MR; ++r) {
          __m512 pair = _mm512_set1_ps(a[r]);
          asm("" : "+v"(pair));  // clang 16 crashes when it folds this broadcast into the product
          const auto x = reinterpret_cast<__m512bh>(pair);
          acc[r][0] = _mm512_dpbf16_ps(acc[r][0], w0, x);
          acc[r][1] = _mm512_dpbf16_ps(acc[r][1], w1, x);
        }
        _mm_prefetch(next, _MM_HINT_T1);
        _mm_prefetch(next + 64, _MM_HINT_T1);
        next += step;
        a += s.a_step;
        b += kPairBytes;
      }
    }
  });
}

void tile(Math math, int rows, const Segment* segments, int count, float* c, int64_t ldc, bool add, const void* next) {
  if (math == Math::full) {
    tile_full(rows, segments, count, c, ldc, add, next);
    return;
  }
  const char* ahead = static_cast<const char*>(next != nullptr ? next : segments[0].b);
  const int64_t step = next != nullptr ? 128 : 0;
#define HELLORA_CALL(MR) dot_tile<MR>(segments, count, c, ldc, add, ahead, step)
  HELLORA_TILE_ROWS(HELLORA_CALL)
#undef HELLORA_CALL
}

double burn(Math math, int64_t rounds) {
  if (math == Math::full) return burn_fma(rounds);
  __m512 c[12];
  for (__m512& one : c) one = _mm512_setzero_ps();
  const auto x = reinterpret_cast<__m512bh>(_mm512_set1_ps(1e-6F));
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (__m512& one : c) {
      one = _mm512_dpbf16_ps(one, x, x);
      asm volatile("" : "+v"(one));
    }
  }
  return static_cast<double>(rounds) * 12 * 64;
}

}  // namespace

extern const Primitives<float> kAvx512Bf16F32;
const Primitives<float> kAvx512Bf16F32 = {kMaxTileRows, tile,     pack_rows,         transpose_panels, swiglu,       swiglu_backward,
                                          axpy,         rms_norm, rms_norm_backward, softmax_loss,     dropout_mask, burn};

}  // namespace hellora::kernels
