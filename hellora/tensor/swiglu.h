// h = silu(gate) · up, elementwise. N rows, F width.
#pragma once

#include "hellora/tensor/compute.h"

namespace hellora {

/// Both operands wait for the backward pass as `compute` says.
Tensor swiglu(const Tensor& gate_NF, const Tensor& up_NF, const Compute& compute);

}  // namespace hellora
