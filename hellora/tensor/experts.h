// The experts of a MoE block on the engine, forward and backward as one operation: gather, gate and up, SwiGLU, down, and the
// weighted sum back to tokens. T tokens, K experts per token, N = T·K rows sorted by expert ordinal, D and F widths, R rank.
#pragma once

#include <span>
#include <vector>

#include "hellora/core/rng.h"
#include "hellora/kernels/route.h"
#include "hellora/tensor/grouped_linear.h"

namespace hellora {

/// Dropout on what the low-rank parts read: one mask per (token, expert) for gate and up, one for down.
struct ExpertDropout {
  double rate = 0;
  RngKey gate{}, down{};
};

struct ExpertCall {
  GroupedMap gate, up, down;  // groups are ordinals; without row gates
  kernels::ExpertOrder order;
  std::vector<int64_t> sequence;    // ordinals in the order in which a token's experts are added up
  std::vector<int64_t> expert_of;   // ordinal -> expert id
  std::vector<int64_t> mask_token;  // token of each row of x, for dropout masks; empty: its own number
  ExpertDropout dropout;
  Compute compute;
};

/// out (T, D) = Σ over a token's experts of weight · down(silu(gate x) · up x). Gradients flow to x, the weights, and
/// every A, B and own. Sums over experts run in `sequence`, whatever the ordinals are.
Tensor expert_mlp(const Tensor& x_TD, const Tensor& weights_TK, ExpertCall call);

/// Rows that low-rank arithmetic was done for, since the start of the program; tests compare before and after.
int64_t low_rank_rows();

}  // namespace hellora
