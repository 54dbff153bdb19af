// Sums whose order is fixed by the data's length alone, so that thread counts never change a bit.
#pragma once

#include <cstdint>
#include <span>

namespace hellora::kernels {

/// Sum in double over fixed blocks, then over the block sums.
double ordered_sum(std::span<const float> values);
double ordered_sum(std::span<const double> values);

/// Sum of squares, the same way.
double ordered_square_sum(std::span<const float> values);
double ordered_square_sum(std::span<const double> values);

}  // namespace hellora::kernels
