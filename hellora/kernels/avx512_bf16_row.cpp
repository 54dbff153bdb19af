// AVX-512 with bf16 dot products (Zen 4, Cooper Lake, Sapphire Rapids): bf16 operands, fp32 sums.
#include "hellora/kernels/avx512_row.h"

namespace hellora::kernels {
namespace {

template <int MR>
void dot_tile(const Segment* segments, int count, float* c, int64_t ldc, bool add) {
  tile_of<MR>(c, ldc, add, [&](__m512(&acc)[MR][2]) {
    for (int64_t i = 0; i < count; ++i) {
      const Segment& s = segments[i];
      const auto* a = static_cast<const float*>(s.a);  // a pair of bf16 moves as one 32-bit word
      const auto* b = static_cast<const char*>(s.b);
      Fetcher fetcher(s.ahead, b, 16);
      for (int64_t k = 0; k < s.k; k += 32, a += s.a_step * 16, fetcher.end_chunk()) {
        for (int64_t pair = 0; pair < 16; ++pair) {
          const auto w0 = reinterpret_cast<__m512bh>(_mm512_load_ps(b)), w1 = reinterpret_cast<__m512bh>(_mm512_load_ps(b + 64));
#pragma GCC unroll 14
          for (int64_t r = 0; r < MR; ++r) {
            __m512 both = _mm512_set1_ps(a[r * 16 + pair]);
            asm("" : "+v"(both));  // clang 16 crashes when it folds this broadcast into the product
            const auto x = reinterpret_cast<__m512bh>(both);
            acc[r][0] = _mm512_dpbf16_ps(acc[r][0], w0, x);
            acc[r][1] = _mm512_dpbf16_ps(acc[r][1], w1, x);
          }
          fetcher.fetch();
          b += kPairBytes;
        }
      }
    }
  });
}

void tile(Math math, int rows, const Segment* segments, int count, float* c, int64_t ldc, bool add) {
  if (math == Math::full) {
    tile_full(rows, segments, count, c, ldc, add);
    return;
  }
#define HELLORA_CALL(MR) dot_tile<MR>(segments, count, c, ldc, add)
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
const Primitives<float> kAvx512Bf16F32 = {{},
                                          {},
                                          tile,
                                          pack_rows,
                                          pack_panel,
                                          transpose_panels,
                                          swiglu,
                                          swiglu_backward,
                                          axpy,
                                          rms_norm,
                                          rms_norm_backward,
                                          softmax_loss,
                                          softmax_step,
                                          softmax_backward,
                                          dropout_mask,
                                          burn};

}  // namespace hellora::kernels
