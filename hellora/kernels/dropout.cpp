#include "hellora/kernels/dropout.h"

#include "hellora/kernels/row.h"

namespace hellora::kernels {

template <class Real>
void dropout(RngKey key, double rate, const int64_t* token_N, const int64_t* expert_N, int64_t rows, int64_t columns, const Real* x_NI,
             Real* y_NI) {
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < rows; ++n) {
    const Real* x = x_NI + n * columns;
    Real* y = y_NI + n * columns;
    primitives<Real>().dropout_mask(key, rate, mask_token(token_N != nullptr ? token_N[n] : n),
                                    mask_expert(expert_N != nullptr ? expert_N[n] : -1), 0, columns, y);
    for (int64_t i = 0; i < columns; ++i) y[i] *= x[i];
  }
}

template void dropout<float>(RngKey, double, const int64_t*, const int64_t*, int64_t, int64_t, const float*, float*);
template void dropout<double>(RngKey, double, const int64_t*, const int64_t*, int64_t, int64_t, const double*, double*);

}  // namespace hellora::kernels
