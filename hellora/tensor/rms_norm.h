// Root-mean-square norm with an ordered weight gradient.
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora {

/// y = weight · x / sqrt(mean(x²) + eps) over the last dimension. x: (…, D), weight: (D) in x's dtype.
Tensor rms_norm(const Tensor& x, const Tensor& weight_D, double eps);

}  // namespace hellora
