// Causal attention of packed documents: each attends to itself only, and one buffer takes all outputs.
// T rows, A heads, G key heads, C head width.
#pragma once

#include <span>

#include "hellora/tensor/compute.h"

namespace hellora {

/// Rows [start, start + length) of the batch.
struct Stretch {
  int64_t start = 0, length = 0;
};

/// (T, A · C). q: (T, A, C); k, v: (T, G, C), G a divisor of A. Softmax in the type of q, scale 1/sqrt(C).
Tensor attend_documents(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGC, std::span<const Stretch> documents,
                        const Compute& compute);

}  // namespace hellora
