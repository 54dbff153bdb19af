// A gated MLP that every row passes: dense layers and shared experts, on the experts' operation with a single expert.
// T rows, D model width, F width.
#pragma once

#include "hellora/adapters/linear.h"

namespace hellora {

/// gate (F, D), up (F, D), down (D, F), and what adapts them (null: nothing).
struct Mlp {
  kernels::Packed gate, up, down;
  const Adapter *gate_adapter = nullptr, *up_adapter = nullptr, *down_adapter = nullptr;
  Slot gate_slot = Slot::dense_gate, down_slot = Slot::dense_down;  // name the dropout masks
};

/// scale_T1 · down(silu(gate x) · up x), (T, D); an undefined scale is 1. Where `row_T` is defined it names each row for masks.
Tensor mlp(const Tensor& x_TD, const Tensor& scale_T1, const Mlp& weights, int64_t layer, const StepContext& context,
           const Compute& compute, const Tensor& row_T = {});

}  // namespace hellora
