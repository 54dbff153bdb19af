// The experts of a block with what adapts them: as one operation of the engine where every adapted member is low-rank or a weight
// of its own, composed of three grouped products where a method has another form. T tokens, K experts per token, N = T·K sorted
// rows, D model width.
#pragma once

#include <span>
#include <vector>

#include "hellora/adapters/linear.h"
#include "hellora/kernels/route.h"

namespace hellora {

/// One projection of all experts by ordinal, and what adapts the leading ones: member m is ordinal m. Null: nothing.
struct ExpertProjection {
  std::span<const kernels::Packed> frozen;
  const Adapter* adapter = nullptr;
};

struct ExpertBlock {
  ExpertProjection gate, up, down;
  int64_t hot = 0;  // adapted experts are ordinals [0, hot)
  kernels::ExpertOrder order{};
  std::vector<int64_t> sequence{};   // ordinals in the order in which a token's experts are added up
  std::vector<int64_t> expert_of{};  // ordinal -> expert id
  Tensor row_T{};                    // token of each row of x, for dropout masks; undefined: its own number
  int64_t layer = 0;
  Slot gate_slot = Slot::gate, down_slot = Slot::down;  // name the dropout masks
};

/// out (T, D) = Σ over a token's experts of weight · down(silu(gate x) · up x), summed in `sequence`.
Tensor adapted_experts(const Tensor& x_TD, const Tensor& weights_TK, ExpertBlock block, const StepContext& context, const Compute& compute);

}  // namespace hellora
