// Rotary position embedding, half-split pairs (j, j + d/2).
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora {

/// cos and sin of every angle for given positions, laid out twice: (T, d).
struct RopeAngles {
  Tensor cos_TC, sin_TC;
};

/// Frequencies and angles are computed in `dtype` (fp32; fp64 in tests), as the published models do.
RopeAngles rope_angles(const Tensor& positions_T, int64_t head_dim, double theta, at::ScalarType dtype);

/// x: (T, heads, d)
Tensor apply_rope(const Tensor& x_TAC, const RopeAngles& angles);

}  // namespace hellora
