#include "hellora/adapters/linear.h"

#include "hellora/tensor/dropout.h"

namespace hellora {

Tensor adapter_input(const Tensor& x_NI, const StepContext& context, int64_t layer, Slot input, const Tensor& token_N,
                     const Tensor& expert_N) {
  if (!context.drops()) return {};
  return dropout(x_NI, context.dropout, context.key(layer, input), token_N, expert_N);
}

LinearMap adapted_map(const kernels::Packed& frozen, const Adapter* adapter) {
  LinearMap map{frozen, {}, {}};
  if (adapter == nullptr) return map;
  if (const Tensor* own = adapter->weight(0)) map.own = *own;
  if (const LowRank* part = adapter->low_rank(0)) map.low_rank = *part;
  return map;
}

Tensor adapted_linear(const Tensor& x_NI, const kernels::Packed& frozen, const Adapter* adapter, const Tensor& x_low_NI,
                      const Compute& compute) {
  const LinearMap map = adapted_map(frozen, adapter);
  return linear(x_NI, map.low_rank.A_RI.defined() ? x_low_NI : Tensor(), {&map, 1}, compute)[0];
}

const Tensor& effective_weight(const Tensor& frozen, const Adapter* adapter) {
  const Tensor* own = adapter != nullptr ? adapter->weight(0) : nullptr;
  return own != nullptr ? *own : frozen;
}

}  // namespace hellora
