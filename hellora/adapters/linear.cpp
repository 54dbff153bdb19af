#include "hellora/adapters/linear.h"

#include <algorithm>

#include "hellora/tensor/dropout.h"

namespace hellora {

Tensor adapter_input(const Tensor& x_NI, const StepContext& context, int64_t layer, Slot input, const Tensor& token_N,
                     const Tensor& expert_N) {
  if (!context.drops()) return {};
  return dropout(x_NI, context.dropout, context.key(layer, input), token_N, expert_N);
}

std::vector<Tensor> adapted_linear(const Tensor& x_NI, const Tensor& x_low_NI, std::span<const AdaptedMap> maps, const Compute& compute) {
  std::vector<LinearMap> linears;
  std::vector<bool> general;
  for (const AdaptedMap& map : maps) {
    LinearMap one{map.frozen, {}, {}};
    general.push_back(false);
    if (map.adapter != nullptr) {
      Part part = map.adapter->part(map.member);
      if (auto* low_rank = std::get_if<LowRank>(&part)) one.low_rank = std::move(*low_rank);
      if (auto* own = std::get_if<OwnWeight>(&part)) one.own = std::move(own->w);
      general.back() = std::holds_alternative<General>(part);
    }
    linears.push_back(std::move(one));
  }
  const bool low = std::any_of(linears.begin(), linears.end(), [](const LinearMap& one) { return one.low_rank.A_RI.defined(); });
  std::vector<Tensor> out = linear(x_NI, low ? x_low_NI : Tensor(), linears, compute);
  for (size_t i = 0; i < maps.size(); ++i) {
    if (general[i]) out[i] = maps[i].adapter->apply({x_NI, x_low_NI, out[i], maps[i].frozen, compute}, maps[i].member);
  }
  return out;
}

Tensor adapted_linear(const Tensor& x_NI, const Tensor& x_low_NI, const AdaptedMap& map, const Compute& compute) {
  return adapted_linear(x_NI, x_low_NI, {&map, 1}, compute)[0];
}

Tensor effective_weight(const Tensor& frozen, const Adapter* adapter) {
  if (adapter == nullptr) return frozen;
  Part part = adapter->part(0);
  auto* own = std::get_if<OwnWeight>(&part);
  return own != nullptr ? std::move(own->w) : frozen;
}

}  // namespace hellora
