// Dropout masks as a function of position: (key, token, expert, column), never of where a row was sorted to.
#pragma once

#include <cstdint>

#include "hellora/core/rng.h"

namespace hellora::kernels {

/// mask_NI[n][i] = 0 with probability `rate`, else 1 / (1 - rate). `token_N` names each row's token (null: the row
/// number), `expert_N` its expert (null: none).
template <class Real>
void dropout_mask(RngKey key, double rate, const int64_t* token_N, const int64_t* expert_N, int64_t rows, int64_t columns, Real* mask_NI);

}  // namespace hellora::kernels
