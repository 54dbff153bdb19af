// Causal attention of packed documents on the tile kernels: scores exist for a block of rows at a time, never as a whole.
// T rows of all documents, A heads, G key heads (a divisor of A), C head width, W width of values.
#pragma once

#include "hellora/kernels/row.h"

namespace hellora::kernels {

/// Rows [start, start + length) of the batch.
struct RowRange {
  int64_t start = 0, length = 0;
};

/// Vectors of all rows and heads: those of row i and head h begin at data + i * row + h * head.
template <class Real>
struct Heads {
  Real* data = nullptr;
  int64_t row = 0, head = 0;
  Real* at(int64_t i, int64_t h) const { return data + i * row + h * head; }
};

struct AttentionShape {
  int64_t rows = 0, heads = 0, key_heads = 0, width = 0, value_width = 0;  // T, A, G, C, W
  double scale = 1;
  int64_t window = 0;  // a row sees itself and window - 1 before it; 0: all before it
};

template <class Real>
struct AttentionInputs {
  Heads<const Real> q, k, v;
};

/// out (T, A, W) and the logarithm of each softmax's sum, lse (A, T). The products are computed as `math` says, all else in Real.
/// The same bytes for any number of threads.
template <class Real>
void attention_forward(Math math, const AttentionShape& shape, std::span<const RowRange> documents, const AttentionInputs<Real>& in,
                       Heads<Real> out, Real* lse);

/// Adds to dk and dv, writes dq; `out` and `lse` are those of attention_forward.
template <class Real>
void attention_backward(Math math, const AttentionShape& shape, std::span<const RowRange> documents, const AttentionInputs<Real>& in,
                        Heads<const Real> out, Heads<const Real> dout, const Real* lse, Heads<Real> dq, Heads<Real> dk, Heads<Real> dv);

}  // namespace hellora::kernels
