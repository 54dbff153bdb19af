#include "hellora/kernels/dropout.h"

namespace hellora::kernels {

template <class Real>
void dropout_mask(RngKey key, double rate, const int64_t* token_N, const int64_t* expert_N, int64_t rows, int64_t columns, Real* mask_NI) {
  const Real keep = static_cast<Real>(1.0 / (1.0 - rate));
  const auto threshold = static_cast<float>(rate);
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < rows; ++n) {
    const auto token = static_cast<uint32_t>(token_N ? token_N[n] : n);
    const auto expert = static_cast<uint32_t>(expert_N ? expert_N[n] + 1 : 0);
    for (int64_t i = 0; i < columns; i += 4) {
      const auto bits = philox(key, {static_cast<uint32_t>(i / 4), token, expert, 0});
      for (int64_t c = i; c < columns && c < i + 4; ++c) {
        mask_NI[n * columns + c] = unit_float(bits[static_cast<size_t>(c - i)]) < threshold ? Real{0} : keep;
      }
    }
  }
}

template void dropout_mask<float>(RngKey, double, const int64_t*, const int64_t*, int64_t, int64_t, float*);
template void dropout_mask<double>(RngKey, double, const int64_t*, const int64_t*, int64_t, int64_t, double*);

}  // namespace hellora::kernels
