// One projection of all experts over rows sorted by expert, with low-rank parts on the leading (adapted) experts.
// ΔW is never formed; rows of experts without a low-rank part run no adapter arithmetic.
#pragma once

#include <span>
#include <vector>

#include "hellora/tensor/torch.h"

namespace hellora {

/// The low-rank part of one expert or linear: adds scale * (x Aᵀ) Bᵀ. A: (R, in), B: (out, R).
struct LowRank {
  Tensor A_RI, B_OR;
  double scale = 1.0;
};

/// x_NI: rows sorted by expert ordinal; offsets: ordinals + 1 row borders; w: one (O, I) tensor per ordinal, stored in
/// any float dtype; low_rank: for the first ordinals, its rows read `x_low_NI` (x after dropout) instead of x when that
/// is defined. Gradients flow to x, x_low, every A and B, and every w that asks for one.
Tensor expert_linear(const Tensor& x_NI, const Tensor& x_low_NI, std::span<const int64_t> offsets, const std::vector<Tensor>& w,
                     std::span<const LowRank> low_rank);

}  // namespace hellora
