// The leading part of a singular value decomposition, for methods that start from a weight.
#pragma once

#include "hellora/core/rng.h"
#include "hellora/tensor/torch.h"

namespace hellora {

/// w (O, I) ≈ U diag(S) Vᵀ with U (O, R), S (R) falling, Vᵀ (R, I), in w's dtype. Singular vectors have their largest element positive, so
/// that a start depends on the weight alone.
struct Svd {
  Tensor u_OR, s_R, vt_RI;
};

/// `iterations` 0: exactly. Otherwise by a random start and so many power iterations (Halko et al. 2011, algorithm 4.4), whose random
/// numbers are those of `key`.
Svd leading_svd(const Tensor& w_OI, int64_t rank, int64_t iterations, RngKey key);

}  // namespace hellora
