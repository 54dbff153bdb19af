#include "hellora/tensor/svd.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "hellora/tensor/one_thread.h"

namespace hellora {
namespace {

Tensor normal_numbers(at::IntArrayRef sizes, RngKey key, const at::TensorOptions& options) {
  Tensor values = at::empty(sizes, at::TensorOptions(at::kDouble));
  double* data = values.data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    const auto at = static_cast<uint64_t>(i);
    data[i] = std::sqrt(-2 * std::log(1 - unit_double(key, 2 * at))) * std::cos(2 * std::numbers::pi * unit_double(key, 2 * at + 1));
  }
  return values.to(options);
}

Tensor orthonormal(const Tensor& columns) { return std::get<0>(at::linalg_qr(columns)); }

Svd with_fixed_signs(const Tensor& u_OR, const Tensor& s_R, const Tensor& vt_RI) {
  const Tensor largest = vt_RI.abs().argmax(1, true);
  const Tensor sign_R = vt_RI.gather(1, largest).squeeze(1).sign();
  return {u_OR * sign_R, s_R, vt_RI * sign_R.unsqueeze(1)};
}

}  // namespace

Svd leading_svd(const Tensor& w_OI, int64_t rank, int64_t iterations, RngKey key) {
  const OneThread one;
  const int64_t all = std::min(w_OI.size(0), w_OI.size(1));
  constexpr int64_t kMore = 10;  // columns beside the wanted ones
  if (iterations == 0 || rank + kMore >= all) {
    const auto [u, s, vt] = at::linalg_svd(w_OI, false);  // lint: on one thread
    return with_fixed_signs(u.narrow(1, 0, rank), s.narrow(0, 0, rank), vt.narrow(0, 0, rank));
  }
  Tensor q_OK = orthonormal(at::matmul(w_OI, normal_numbers({w_OI.size(1), rank + kMore}, key, w_OI.options())));
  for (int64_t i = 0; i < iterations; ++i) q_OK = orthonormal(at::matmul(w_OI, orthonormal(at::matmul(w_OI.t(), q_OK))));
  const auto [u, s, vt] = at::linalg_svd(at::matmul(q_OK.t(), w_OI), false);  // lint: on one thread
  return with_fixed_signs(at::matmul(q_OK, u.narrow(1, 0, rank)), s.narrow(0, 0, rank), vt.narrow(0, 0, rank));
}

}  // namespace hellora
