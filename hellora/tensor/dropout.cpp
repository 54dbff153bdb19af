#include "hellora/tensor/dropout.h"

#include "hellora/kernels/dropout.h"

namespace hellora {

Tensor dropout(const Tensor& x_NI, double rate, RngKey key, const Tensor& token_N, const Tensor& expert_N) {
  Tensor mask_NI = at::empty(x_NI.sizes(), x_NI.options().requires_grad(false));
  const int64_t* token = token_N.defined() ? token_N.const_data_ptr<int64_t>() : nullptr;
  const int64_t* expert = expert_N.defined() ? expert_N.const_data_ptr<int64_t>() : nullptr;
  if (x_NI.scalar_type() == at::kDouble) {
    kernels::dropout_mask(key, rate, token, expert, x_NI.size(0), x_NI.size(1), mask_NI.data_ptr<double>());
  } else {
    kernels::dropout_mask(key, rate, token, expert, x_NI.size(0), x_NI.size(1), mask_NI.data_ptr<float>());
  }
  return x_NI * mask_NI;
}

}  // namespace hellora
