#include "hellora/model/rope.h"

namespace hellora {

RopeAngles rope_angles(const Tensor& positions_T, int64_t head_dim, double theta, at::ScalarType dtype) {
  const Tensor exponent = at::arange(0, head_dim, 2, at::TensorOptions(dtype)) / static_cast<double>(head_dim);
  const Tensor inverse_frequency = at::reciprocal(at::pow(theta, exponent));
  const Tensor angle = positions_T.to(dtype).unsqueeze(1) * inverse_frequency.unsqueeze(0);
  const Tensor twice = at::cat({angle, angle}, 1);
  return {twice.cos(), twice.sin()};
}

Tensor apply_rope(const Tensor& x_TAC, const RopeAngles& angles) {
  const int64_t half = x_TAC.size(2) / 2;
  const Tensor rotated = at::cat({x_TAC.narrow(2, half, half).neg(), x_TAC.narrow(2, 0, half)}, 2);
  return x_TAC * angles.cos_TC.unsqueeze(1) + rotated * angles.sin_TC.unsqueeze(1);
}

}  // namespace hellora
