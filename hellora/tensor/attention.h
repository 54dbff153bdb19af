// Causal attention of packed documents: each attends to itself only, and one buffer takes all outputs.
// T rows, A heads, G key heads, C head width, W width of values.
#pragma once

#include <span>

#include "hellora/kernels/attention.h"
#include "hellora/tensor/compute.h"

namespace hellora {

using kernels::RowRange;

/// How scores become weights.
struct AttentionRule {
  double scale = 0;    // 0: 1 / sqrt(C)
  int64_t window = 0;  // a row sees itself and window - 1 before it; 0: all before it
};

/// (T, A · W). q: (T, A, C); k: (T, G, C); v: (T, G, W), G a divisor of A. Softmax in the type of q.
Tensor attend_documents(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGW, std::span<const RowRange> documents,
                        const Compute& compute, const AttentionRule& rule = {});

}  // namespace hellora
