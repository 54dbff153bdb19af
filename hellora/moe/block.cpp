#include "hellora/moe/block.h"

#include "hellora/moe/adapted_experts.h"

namespace hellora {
namespace {

std::vector<kernels::Packed> by_ordinal(const std::vector<kernels::Packed>& frozen, const MoeAdapters& adapters) {
  std::vector<kernels::Packed> out;
  for (const int64_t expert : adapters.expert_of) out.push_back(frozen[static_cast<size_t>(expert)]);
  return out;
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
  return route(adapted_linear(x_TD, low, {weights.router, adapters.router}, exact), rule);
}

Tensor run_experts(const Tensor& x_TD, const Routing& routing, const MoeWeights& weights, const RouterRule& rule,
                   const MoeAdapters& adapters, int64_t layer, const StepContext& context, const Compute& compute, const Tensor& row_T) {
  const std::vector<kernels::Packed> gate = by_ordinal(weights.gate, adapters), up = by_ordinal(weights.up, adapters),
                                     down = by_ordinal(weights.down, adapters);
  ExpertBlock block{{gate, adapters.gate}, {up, adapters.up}, {down, adapters.down}, adapters.hot};
  const Tensor ids_TK = routing.ids_TK.contiguous();
  block.order =
      kernels::sort_by_expert({ids_TK.const_data_ptr<int64_t>(), static_cast<size_t>(ids_TK.numel())}, rule.top_k, adapters.ordinal_of);
  block.sequence = adapters.ordinal_of;  // by expert id, whichever experts are adapted
  block.expert_of = adapters.expert_of;
  block.row_T = row_T;
  block.layer = layer;
  return adapted_experts(x_TD, routing.weights_TK, std::move(block), context, compute);
}

Tensor moe_block(const Tensor& x_TD, const MoeWeights& weights, const RouterRule& rule, const MoeAdapters& adapters, int64_t layer,
                 const StepContext& context, std::span<Observer* const> observers, const Compute& compute, const Tensor& row_T) {
  const Routing routing = route_rows(x_TD, weights, rule, adapters, layer, context, compute, row_T);
  for (Observer* observer : observers) observer->on_route(layer, routing);
  return run_experts(x_TD, routing, weights, rule, adapters, layer, context, compute, row_T);
}

}  // namespace hellora
