#include "hellora/moe/block.h"

#include "hellora/kernels/route.h"

namespace hellora {
namespace {

Tensor as_tensor(const std::vector<int64_t>& values) { return at::tensor(values, at::TensorOptions(at::kLong)); }

/// The weight of every ordinal: the adapter's own where it has one, else the frozen one.
std::vector<Tensor> ordinal_weights(const Tensor& bank, const MoeAdapters& adapters, const Adapter* adapter) {
  std::vector<Tensor> out;
  for (size_t j = 0; j < adapters.expert_of.size(); ++j) {
    const bool hot = adapter != nullptr && static_cast<int64_t>(j) < adapters.hot;
    const Tensor* own = hot ? adapter->weight(j) : nullptr;
    out.push_back(own != nullptr ? *own : bank.select(0, adapters.expert_of[j]));
  }
  return out;
}

std::vector<LowRank> low_rank_parts(const MoeAdapters& adapters, const Adapter* adapter) {
  std::vector<LowRank> parts;
  if (adapter == nullptr || adapter->low_rank(0) == nullptr) return parts;
  for (int64_t j = 0; j < adapters.hot; ++j) parts.push_back(*adapter->low_rank(static_cast<size_t>(j)));
  return parts;
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

Tensor moe_block(const Tensor& x_TD, const MoeWeights& weights, const RouterRule& rule, const MoeAdapters& adapters, int64_t layer,
                 const StepContext& context, std::span<Observer* const> observers) {
  const Tensor router_in = adapters.router != nullptr ? adapter_input(x_TD, context, layer, Slot::router) : Tensor();
  const Routing routing = route(adapted_linear(x_TD, weights.router_ED, adapters.router, router_in), rule);
  for (Observer* observer : observers) observer->on_route(layer, routing);

  const kernels::ExpertOrder order = kernels::sort_by_expert(
      {routing.ids_TK.const_data_ptr<int64_t>(), static_cast<size_t>(routing.ids_TK.numel())}, rule.top_k, adapters.ordinal_of);
  const Tensor token_N = as_tensor(order.token_N);
  const int64_t hot_rows = order.offsets[static_cast<size_t>(adapters.hot)];
  const Tensor hot_token = token_N.narrow(0, 0, hot_rows);
  const Tensor hot_expert = routing.ids_TK.view({-1}).index_select(0, as_tensor(order.source_N).narrow(0, 0, hot_rows));
  // One dropout mask per (token, expert) input: gate and up share theirs, down has its own.
  const auto low_input = [&](const Tensor& rows, Slot input, const Adapter* adapter) {
    if (adapter == nullptr || adapter->low_rank(0) == nullptr || !context.drops()) return Tensor();
    return adapter_input(rows.narrow(0, 0, hot_rows), context, layer, input, hot_token, hot_expert);
  };
  const auto project = [&](const Tensor& rows, const Tensor& low, const Tensor& bank, const Adapter* adapter) {
    const std::vector<LowRank> parts = low_rank_parts(adapters, adapter);
    // The input that gate and up share is no input of the one that is not adapted.
    return expert_linear(rows, parts.empty() ? Tensor() : low, order.offsets, ordinal_weights(bank, adapters, adapter), parts);
  };

  const Tensor x_ND = x_TD.index_select(0, token_N);
  const Tensor x_low = low_input(x_ND, Slot::gate, adapters.gate != nullptr ? adapters.gate : adapters.up);
  const Tensor gate_NF = project(x_ND, x_low, weights.gate_EFD, adapters.gate);
  const Tensor up_NF = project(x_ND, x_low, weights.up_EFD, adapters.up);
  const Tensor h_NF = at::silu(gate_NF) * up_NF;
  const Tensor y_ND = project(h_NF, low_input(h_NF, Slot::down, adapters.down), weights.down_EDF, adapters.down);

  // Back to (token, slot) order; the sum runs over a token's slots from its first choice to its last.
  const Tensor y_TKD = y_ND.index_select(0, as_tensor(order.sorted_TK)).view({x_TD.size(0), rule.top_k, x_TD.size(1)});
  return (y_TKD * routing.weights_TK.unsqueeze(-1)).sum(1);
}

}  // namespace hellora
