// The one table of bounds. Each is a share of the largest absolute value of the expected tensor.
#pragma once

#include "hellora/tensor/torch.h"

namespace hellora::testing {

/// Against golden values of other implementations: hidden states, logits and losses; gradients; tensors after optimizer steps.
struct Tolerance {
  double value, gradient, trained;
};

inline constexpr Tolerance kGolden32 = {2e-5, 1e-4, 1e-4};
inline constexpr Tolerance kGolden64 = {1e-10, 1e-10, 1e-10};

constexpr Tolerance golden_tolerance(at::ScalarType dtype) { return dtype == at::kDouble ? kGolden64 : kGolden32; }

/// The same formula in another order, in fp64 and fp32.
inline constexpr double kSameMath64 = 1e-12;
inline constexpr double kSameMath32 = 1e-5;

/// Central differences in fp64 against a derivative.
inline constexpr double kFiniteDifference = 1e-7;

}  // namespace hellora::testing
