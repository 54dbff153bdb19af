// A MoE block: route, sort rows by expert (adapted experts first), three grouped projections, weighted sum in fixed order.
// T tokens, K experts per token, N = T·K sorted rows, D model width, F expert width, E experts.
#pragma once

#include <span>
#include <vector>

#include "hellora/adapters/linear.h"
#include "hellora/moe/observer.h"

namespace hellora {

/// Frozen weights of a block, stored in bf16, fp32 or fp64.
struct MoeWeights {
  Tensor router_ED, gate_EFD, up_EFD, down_EDF;
};

/// The adapters of one block and the expert order that they imply. Member m of gate, up and down is ordinal m.
struct MoeAdapters {
  const Adapter *router = nullptr, *gate = nullptr, *up = nullptr, *down = nullptr;
  std::vector<int64_t> expert_of;   // ordinal -> expert id
  std::vector<int64_t> ordinal_of;  // expert id -> ordinal
  int64_t hot = 0;                  // adapted experts are ordinals [0, hot)
};

/// Adapted experts first in the given order, then the others by id.
MoeAdapters order_experts(std::span<const int64_t> hot_experts, int64_t experts);

/// out_TD of the block.
Tensor moe_block(const Tensor& x_TD, const MoeWeights& weights, const RouterRule& rule, const MoeAdapters& adapters, int64_t layer,
                 const StepContext& context, std::span<Observer* const> observers);

}  // namespace hellora
