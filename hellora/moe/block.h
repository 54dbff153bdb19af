// A MoE block: route, sort rows by expert (adapted experts first), the experts as one operation, weighted sum in fixed order.
// T tokens, K experts per token, N = T·K sorted rows, D model width, F expert width, E experts.
#pragma once

#include <span>
#include <vector>

#include "hellora/adapters/linear.h"
#include "hellora/moe/observer.h"

namespace hellora {

/// Frozen weights of a block: the router (E, D) in the type of computation, and per expert gate (F, D), up (F, D), down (D, F).
struct MoeWeights {
  kernels::Packed router;
  std::vector<kernels::Packed> gate, up, down;
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

/// out_TD of the block. Where `row_T` is defined it names each row of x for dropout masks (its token's number in the batch).
Tensor moe_block(const Tensor& x_TD, const MoeWeights& weights, const RouterRule& rule, const MoeAdapters& adapters, int64_t layer,
                 const StepContext& context, std::span<Observer* const> observers, const Compute& compute = {}, const Tensor& row_T = {});

/// The router alone: for rows whose choice is counted although their experts' output is not needed.
Routing route_rows(const Tensor& x_TD, const MoeWeights& weights, const RouterRule& rule, const MoeAdapters& adapters, int64_t layer,
                   const StepContext& context, const Compute& compute, const Tensor& row_T = {});

/// The experts of rows that are routed already.
Tensor run_experts(const Tensor& x_TD, const Routing& routing, const MoeWeights& weights, const RouterRule& rule,
                   const MoeAdapters& adapters, int64_t layer, const StepContext& context, const Compute& compute,
                   const Tensor& row_T = {});

}  // namespace hellora
