// Rows of the first groups, each column times a factor of the row's group. N rows sorted by group, O columns, G scaled groups.
#pragma once

#include <span>

#include "hellora/tensor/compute.h"

namespace hellora {

/// y + f[group of the row] ⊙ z for the rows of the first G groups, y for the others. z: those rows. Gradients flow to y, z and f.
Tensor add_scaled(const Tensor& y_NO, const Tensor& z_NO, const Tensor& f_GO, std::span<const int64_t> offsets, const Compute& compute);

}  // namespace hellora
