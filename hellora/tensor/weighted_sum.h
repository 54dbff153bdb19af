// The rows of a token's experts added up to the token's output. T tokens, K experts per token, N = T·K sorted rows, D width.
#pragma once

#include <vector>

#include "hellora/kernels/route.h"
#include "hellora/tensor/compute.h"

namespace hellora {

/// out (T, D) = Σ over a token's rows of weight · y, in the order in which `sequence` has their ordinals: the same bytes for any
/// number of threads and whichever experts come first. y waits for the backward pass as `compute` says.
Tensor weighted_sum(const Tensor& y_ND, const Tensor& weights_TK, const kernels::ExpertOrder& order, const std::vector<int64_t>& sequence,
                    const Compute& compute);

}  // namespace hellora
