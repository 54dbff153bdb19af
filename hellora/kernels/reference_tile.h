// The reference row's tile by name, for rows that lack a kind of arithmetic.
#pragma once

#include "hellora/kernels/row.h"

namespace hellora::kernels {

void reference_tile(Math math, int rows, const Segment* segments, int count, float* c, int64_t ldc, bool add);

}  // namespace hellora::kernels
