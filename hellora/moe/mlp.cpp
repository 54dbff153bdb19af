#include "hellora/moe/mlp.h"

#include "hellora/moe/adapted_experts.h"

namespace hellora {
Tensor mlp(const Tensor& x_TD, const Tensor& scale_T1, const Mlp& weights, int64_t layer, const StepContext& context,
           const Compute& compute, const Tensor& row_T) {
  ExpertBlock block{
      {{&weights.gate, 1}, weights.gate_adapter}, {{&weights.up, 1}, weights.up_adapter}, {{&weights.down, 1}, weights.down_adapter}, 1};
  const std::vector<int64_t> only = {0}, ids_T(static_cast<size_t>(x_TD.size(0)), 0);
  block.order = kernels::sort_by_expert(ids_T, 1, only);
  block.sequence = block.expert_of = only;
  block.row_T = row_T;
  block.layer = layer;
  block.gate_slot = weights.gate_slot;
  block.down_slot = weights.down_slot;
  const Tensor weights_T1 = scale_T1.defined() ? scale_T1 : at::ones({x_TD.size(0), 1}, x_TD.options());
  return adapted_experts(x_TD, weights_T1, std::move(block), context, compute);
}

}  // namespace hellora
