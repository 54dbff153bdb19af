// AVX-512 without bf16 products: fp32 arithmetic on bf16 or fp32 weights.
#include "hellora/kernels/avx512_row.h"

#include "hellora/kernels/reference_tile.h"

namespace hellora::kernels {
namespace {

void tile(Math math, int rows, const Segment* segments, int count, float* c, int64_t ldc, bool add) {
  if (math == Math::bf16) {
    reference_tile(math, rows, segments, count, c, ldc, add);  // exact but slow: asked for on purpose
  } else {
    tile_full(rows, segments, count, c, ldc, add);
  }
}

double burn(Math, int64_t rounds) { return burn_fma(rounds); }

}  // namespace

extern const Primitives<float> kAvx512F32;
const Primitives<float> kAvx512F32 = {{},
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
