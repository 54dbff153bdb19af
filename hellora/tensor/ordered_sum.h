// Ordered sums over tensors (see kernels/ordered_sum.h), for loss, norms and checks.
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora {

/// Sum of all elements of a contiguous fp32 or fp64 CPU tensor, as a double.
double ordered_sum(const Tensor& values);
/// Sum of squares, the same way.
double ordered_square_sum(const Tensor& values);

}  // namespace hellora
