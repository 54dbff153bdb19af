#include "hellora/moe/mlp.h"

#include "hellora/tensor/experts.h"

namespace hellora {
namespace {

ExpertBank bank_of(const kernels::Packed& frozen, const Adapter* adapter) {
  ExpertBank bank;
  bank.frozen = {frozen};
  if (adapter == nullptr) return bank;
  if (const LowRank* part = adapter->low_rank(0)) bank.low_rank.push_back(*part);
  if (const Tensor* own = adapter->weight(0)) bank.own.push_back(*own);
  return bank;
}

}  // namespace

Tensor mlp(const Tensor& x_TD, const Tensor& scale_T1, const Mlp& weights, int64_t layer, const StepContext& context,
           const Compute& compute, const Tensor& row_T) {
  ExpertCall call;
  call.gate = bank_of(weights.gate, weights.gate_adapter);
  call.up = bank_of(weights.up, weights.up_adapter);
  call.down = bank_of(weights.down, weights.down_adapter);
  const std::vector<int64_t> only = {0}, ids_T(static_cast<size_t>(x_TD.size(0)), 0);
  call.order = kernels::sort_by_expert(ids_T, 1, only);
  call.sequence = call.expert_of = only;
  if (row_T.defined()) call.mask_token.assign(row_T.const_data_ptr<int64_t>(), row_T.const_data_ptr<int64_t>() + row_T.numel());
  if (context.drops()) call.dropout = {context.dropout, context.key(layer, weights.gate_slot), context.key(layer, weights.down_slot)};
  call.compute = compute;
  return expert_mlp(x_TD, scale_T1.defined() ? scale_T1 : at::ones({x_TD.size(0), 1}, x_TD.options()), std::move(call));
}

}  // namespace hellora
