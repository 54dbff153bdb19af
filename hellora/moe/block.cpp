#include "hellora/moe/block.h"

#include "hellora/tensor/experts.h"

namespace hellora {
namespace {

/// A projection of all experts in ordinal order: frozen weights, and what the adapter adds to the leading ones.
ExpertBank bank_of(const std::vector<kernels::Packed>& frozen, const MoeAdapters& adapters, const Adapter* adapter) {
  ExpertBank bank;
  for (const int64_t expert : adapters.expert_of) bank.frozen.push_back(frozen[static_cast<size_t>(expert)]);
  for (size_t j = 0; adapter != nullptr && j < static_cast<size_t>(adapters.hot); ++j) {
    if (const LowRank* part = adapter->low_rank(j)) bank.low_rank.push_back(*part);
    if (const Tensor* own = adapter->weight(j)) bank.own.push_back(*own);
  }
  return bank;
}

}  // namespace

MoeAdapters order_experts(std::span<const int64_t> hot_experts, int64_t experts) {
  MoeAdapters order;
  order.expert_of.assign(hot_experts.begin(), hot_experts.end());
  order.hot = static_cast<int64_t>(hot_experts.size());
  order.ordinal_of.assign(static_cast<size_t>(experts), -1);
  for (size_t j = 0; j < hot_experts.size(); ++j) order.ordinal_of[static_cast<size_t>(hot_experts[j])] = static_cast<int64_t>(j);
  for (int64_t e = 0; e < experts; ++e) {
    if (order.ordinal_of[static_cast<size_t>(e)] >= 0) continue;
    order.ordinal_of[static_cast<size_t>(e)] = static_cast<int64_t>(order.expert_of.size());
    order.expert_of.push_back(e);
  }
  return order;
}

Routing route_rows(const Tensor& x_TD, const MoeWeights& weights, const RouterRule& rule, const MoeAdapters& adapters, int64_t layer,
                   const StepContext& context, const Compute& compute, const Tensor& row_T) {
  const Tensor low = adapters.router != nullptr ? adapter_input(x_TD, context, layer, Slot::router, row_T) : Tensor();
  const Compute exact{kernels::Math::full, compute.saved};  // a choice between experts is never rounded to bf16
  return route(adapted_linear(x_TD, weights.router, adapters.router, low, exact), rule);
}

Tensor run_experts(const Tensor& x_TD, const Routing& routing, const MoeWeights& weights, const RouterRule& rule,
                   const MoeAdapters& adapters, int64_t layer, const StepContext& context, const Compute& compute, const Tensor& row_T) {
  ExpertCall call;
  call.gate = bank_of(weights.gate, adapters, adapters.gate);
  call.up = bank_of(weights.up, adapters, adapters.up);
  call.down = bank_of(weights.down, adapters, adapters.down);
  const Tensor ids_TK = routing.ids_TK.contiguous();
  call.order =
      kernels::sort_by_expert({ids_TK.const_data_ptr<int64_t>(), static_cast<size_t>(ids_TK.numel())}, rule.top_k, adapters.ordinal_of);
  call.sequence = adapters.ordinal_of;  // by expert id, whichever experts are adapted
  call.expert_of = adapters.expert_of;
  if (row_T.defined()) call.mask_token.assign(row_T.const_data_ptr<int64_t>(), row_T.const_data_ptr<int64_t>() + row_T.numel());
  if (context.drops()) call.dropout = {context.dropout, context.key(layer, Slot::gate), context.key(layer, Slot::down)};
  call.compute = compute;
  return expert_mlp(x_TD, routing.weights_TK, std::move(call));
}

Tensor moe_block(const Tensor& x_TD, const MoeWeights& weights, const RouterRule& rule, const MoeAdapters& adapters, int64_t layer,
                 const StepContext& context, std::span<Observer* const> observers, const Compute& compute, const Tensor& row_T) {
  const Routing routing = route_rows(x_TD, weights, rule, adapters, layer, context, compute, row_T);
  for (Observer* observer : observers) observer->on_route(layer, routing);
  return run_experts(x_TD, routing, weights, rule, adapters, layer, context, compute, row_T);
}

}  // namespace hellora
