// Dropout as a function of position: (key, token, expert, column), never of where a row was sorted to.
#pragma once

#include <cstdint>

#include "hellora/core/rng.h"

namespace hellora::kernels {

/// A row's place among the counters of Primitives::dropout_mask; expert -1: none.
inline uint32_t mask_token(int64_t token) { return static_cast<uint32_t>(token); }
inline uint32_t mask_expert(int64_t expert) { return static_cast<uint32_t>(expert + 1); }

/// y = x times the mask, which is drawn row by row and never held whole. `token_N` names each row's token (null: the row
/// number), `expert_N` its expert (null: none). x and y do not overlap.
template <class Real>
void dropout(RngKey key, double rate, const int64_t* token_N, const int64_t* expert_N, int64_t rows, int64_t columns, const Real* x_NI,
             Real* y_NI);

}  // namespace hellora::kernels
