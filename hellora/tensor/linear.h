// Linear maps that share one input (q, k and v; or a single one) on the engine: frozen packed weights, low-rank parts as
// extra columns of the same product, or trainable weights packed for the pass. N rows, I in, O out.
#pragma once

#include <span>
#include <vector>

#include "hellora/tensor/low_rank.h"

namespace hellora {

/// One map: y = x Wᵀ, with W the trainable `own` (O, I) where that is defined, else `frozen`; plus `low` where A is defined.
struct LinearMap {
  kernels::Packed frozen;
  Tensor own;
  LowRank low_rank;
};

/// One output (N, O) per map. Low-rank parts read x_low (x after dropout) where that is defined. Gradients flow to x, x_low,
/// every A, B and own. `compute.math` rounds operands to bf16; sums are fp32.
std::vector<Tensor> linear(const Tensor& x_NI, const Tensor& x_low_NI, std::span<const LinearMap> maps, const Compute& compute);

}  // namespace hellora
