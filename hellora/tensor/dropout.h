// Dropout on adapter inputs, with masks that depend on position only (see kernels/dropout.h).
#pragma once

#include "hellora/core/rng.h"
#include "hellora/tensor/torch.h"

namespace hellora {

/// x times a mask of 0 and 1/(1-rate). token_N and expert_N (int64, may be undefined) name each row.
Tensor dropout(const Tensor& x_NI, double rate, RngKey key, const Tensor& token_N, const Tensor& expert_N);

}  // namespace hellora
