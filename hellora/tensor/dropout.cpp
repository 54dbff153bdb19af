#include "hellora/tensor/dropout.h"

#include "hellora/kernels/dropout.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Mask {
  double rate;
  RngKey key;
  Tensor token_N, expert_N;  // int64, may be undefined
};

template <class Real>
Tensor apply_mask(const Tensor& x_NI, const Mask& mask) {
  Tensor y_NI = at::empty_like(x_NI);
  const auto ids = [](const Tensor& names) { return names.defined() ? names.const_data_ptr<int64_t>() : nullptr; };
  kernels::dropout(mask.key, mask.rate, ids(mask.token_N), ids(mask.expert_N), x_NI.size(0), x_NI.size(1), x_NI.const_data_ptr<Real>(),
                   y_NI.data_ptr<Real>());
  return y_NI;
}

Tensor masked(const Tensor& x_in, const Mask& mask) {
  const Tensor x_NI = x_in.contiguous();
  return x_NI.scalar_type() == at::kDouble ? apply_mask<double>(x_NI, mask) : apply_mask<float>(x_NI, mask);
}

/// Keeps the key and not the mask.
class Dropout : public torch::autograd::Function<Dropout> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x_NI, const Mask& mask) {
    ctx->saved_data["rate"] = mask.rate;
    ctx->saved_data["low"] = static_cast<int64_t>(mask.key.low);
    ctx->saved_data["high"] = static_cast<int64_t>(mask.key.high);
    ctx->save_for_backward({mask.token_N, mask.expert_N});
    return masked(x_NI, mask);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto rows = ctx->get_saved_variables();
    const RngKey key{static_cast<uint32_t>(ctx->saved_data["low"].toInt()), static_cast<uint32_t>(ctx->saved_data["high"].toInt())};
    return {masked(grads[0], {ctx->saved_data["rate"].toDouble(), key, rows[0], rows[1]}), Tensor()};
  }
};

}  // namespace

Tensor dropout(const Tensor& x_NI, double rate, RngKey key, const Tensor& token_N, const Tensor& expert_N) {
  return Dropout::apply(x_NI, Mask{rate, key, token_N, expert_N});
}

}  // namespace hellora
