#include "hellora/model/rope.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// One pass over x (T, A, C): each pair (j, j + C/2) is turned by its angle times `direction`, which is 1 or -1.
template <class Real>
void turn(const Tensor& x_TAC, const RopeAngles& angles, Real direction, Tensor& y_TAC) {
  const int64_t heads = x_TAC.size(1), width = x_TAC.size(2), half = width / 2, rows = x_TAC.size(0) * heads;
  const Real *x = x_TAC.const_data_ptr<Real>(), *cos = angles.cos_TJ.const_data_ptr<Real>(), *sin = angles.sin_TJ.const_data_ptr<Real>();
  Real* y = y_TAC.data_ptr<Real>();
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const Real *in = x + r * width, *c = cos + r / heads * half, *s = sin + r / heads * half;
    Real* out = y + r * width;
    for (int64_t j = 0; j < half; ++j) {
      const Real low = in[j], high = in[j + half], sine = direction * s[j];
      out[j] = low * c[j] - high * sine;
      out[j + half] = high * c[j] + low * sine;
    }
  }
}

Tensor turned(const Tensor& x_in, const RopeAngles& angles, int direction) {
  const Tensor x = x_in.contiguous();
  Tensor y = at::empty_like(x);
  if (x.scalar_type() == at::kDouble) {
    turn<double>(x, angles, direction, y);
  } else {
    turn<float>(x, angles, static_cast<float>(direction), y);
  }
  return y;
}

/// The gradient of a rotation is the rotation back: nothing but the angles is kept.
class Rope : public torch::autograd::Function<Rope> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x_TAC, const Tensor& cos_TJ, const Tensor& sin_TJ) {
    ctx->save_for_backward({cos_TJ, sin_TJ});
    return turned(x_TAC, {cos_TJ, sin_TJ}, 1);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto angles = ctx->get_saved_variables();
    return {turned(grads[0], {angles[0], angles[1]}, -1), Tensor(), Tensor()};
  }
};

}  // namespace

RopeAngles rope_angles(const Tensor& positions_T, int64_t head_dim, double theta, at::ScalarType dtype) {
  const Tensor exponent = at::arange(0, head_dim, 2, at::TensorOptions(dtype)) / static_cast<double>(head_dim);
  const Tensor inverse_frequency = at::reciprocal(at::pow(theta, exponent));
  const Tensor angle_TJ = positions_T.to(dtype).unsqueeze(1) * inverse_frequency.unsqueeze(0);
  return {angle_TJ.cos(), angle_TJ.sin()};
}

Tensor apply_rope(const Tensor& x_TAC, const RopeAngles& angles) { return Rope::apply(x_TAC, angles.cos_TJ, angles.sin_TJ); }

}  // namespace hellora
