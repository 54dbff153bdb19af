// Rotary position embedding, half-split pairs (j, j + d/2).
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora {

/// cos and sin of the angle of every pair for given positions: (T, d / 2).
struct RopeAngles {
  Tensor cos_TJ, sin_TJ;
};

/// Frequencies and angles are computed in `dtype` (fp32; fp64 in tests), as the published models do.
RopeAngles rope_angles(const Tensor& positions_T, int64_t head_dim, double theta, at::ScalarType dtype);

/// x: (T, heads, d), with gradient
Tensor apply_rope(const Tensor& x_TAC, const RopeAngles& angles);

}  // namespace hellora
