// Root-mean-square norm that keeps only its input and recomputes the rest; ordered weight gradient.
#pragma once

#include "hellora/tensor/compute.h"

namespace hellora {

/// y = weight · x / sqrt(mean(x²) + eps) over the last dimension. x: (…, D), weight: (D) in x's dtype.
Tensor rms_norm(const Tensor& x, const Tensor& weight_D, double eps, const Compute& compute = {});

}  // namespace hellora
