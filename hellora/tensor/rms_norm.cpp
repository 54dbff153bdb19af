#include "hellora/tensor/rms_norm.h"

#include "hellora/kernels/row.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kRowBlock = 64;  // rows whose weight gradient is added up together; fixed, so that the order is too

template <class Real>
Tensor run_forward(const Tensor& x, const Tensor& weight_D, double eps) {
  const int64_t n = weight_D.size(0), rows = x.numel() / n;
  Tensor y = at::empty_like(x);
  const Real *in = x.const_data_ptr<Real>(), *w = weight_D.const_data_ptr<Real>();
  Real* out = y.data_ptr<Real>();
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) kernels::primitives<Real>().rms_norm(in + r * n, w, eps, n, out + r * n);
  return y;
}

template <class Real>
variable_list run_backward(const Tensor& x, const Tensor& weight_D, const Tensor& dy, double eps, bool weight_gradient) {
  const int64_t n = weight_D.size(0), rows = x.numel() / n, blocks = (rows + kRowBlock - 1) / kRowBlock;
  Tensor dx = at::empty_like(x), partial = at::zeros({weight_gradient ? blocks : 0, n}, x.options());
  const Real *in = x.const_data_ptr<Real>(), *w = weight_D.const_data_ptr<Real>(), *g = dy.const_data_ptr<Real>();
  Real *out = dx.data_ptr<Real>(), *sums = partial.data_ptr<Real>();
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < blocks; ++b) {
    for (int64_t r = b * kRowBlock; r < std::min(rows, (b + 1) * kRowBlock); ++r) {
      kernels::primitives<Real>().rms_norm_backward(in + r * n, w, g + r * n, eps, n, out + r * n,
                                                    weight_gradient ? sums + b * n : nullptr);
    }
  }
  if (!weight_gradient) return {dx, Tensor()};
  Tensor dweight = at::zeros_like(weight_D);
  for (int64_t b = 0; b < blocks; ++b) dweight += partial[b];
  return {dx, dweight};
}

class RmsNorm : public torch::autograd::Function<RmsNorm> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x_in, const Tensor& weight_D, double eps, at::ScalarType saved) {
    const Tensor x = x_in.contiguous();
    if (x_in.requires_grad() || weight_D.requires_grad()) ctx->save_for_backward({Compute{kernels::Math::full, saved}.keep(x), weight_D});
    ctx->saved_data["eps"] = eps;
    return x.scalar_type() == at::kDouble ? run_forward<double>(x, weight_D, eps) : run_forward<float>(x, weight_D, eps);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto kept = ctx->get_saved_variables();
    const Tensor dy = grads[0].contiguous(), x = restore(kept[0], dy.scalar_type());
    const double eps = ctx->saved_data["eps"].toDouble();
    const bool own = kept[1].requires_grad();
    variable_list out =
        dy.scalar_type() == at::kDouble ? run_backward<double>(x, kept[1], dy, eps, own) : run_backward<float>(x, kept[1], dy, eps, own);
    out.resize(4);
    return out;
  }
};

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& weight_D, double eps, const Compute& compute) {
  return RmsNorm::apply(x, weight_D, eps, compute.saved);
}

}  // namespace hellora
