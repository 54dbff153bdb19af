#include "hellora/adapters/linear.h"

#include "hellora/tensor/dropout.h"
#include "hellora/tensor/matmul.h"

namespace hellora {

Tensor adapter_input(const Tensor& x_NI, const StepContext& context, int64_t layer, Slot input, const Tensor& token_N,
                     const Tensor& expert_N) {
  if (!context.drops()) return {};
  return dropout(x_NI, context.dropout, context.key(layer, input), token_N, expert_N);
}

const Tensor& effective_weight(const Tensor& frozen, const Adapter* adapter) {
  const Tensor* own = adapter != nullptr ? adapter->weight(0) : nullptr;
  return own != nullptr ? *own : frozen;
}

Tensor adapted_linear(const Tensor& x_NI, const Tensor& w_OI, const Adapter* adapter, const Tensor& x_low_NI) {
  const Tensor y_NO = tiled_linear(x_NI, effective_weight(w_OI, adapter));
  const LowRank* part = adapter != nullptr ? adapter->low_rank(0) : nullptr;
  if (part == nullptr) return y_NO;
  const Tensor u_NR = tiled_linear(x_low_NI.defined() ? x_low_NI : x_NI, part->A_RI);
  return y_NO + tiled_linear(u_NR, part->B_OR) * part->scale;
}

}  // namespace hellora
