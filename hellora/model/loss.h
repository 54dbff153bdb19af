// Cross-entropy over supervised rows, in chunks: the full logits never exist.
#pragma once

#include "hellora/core/label.h"
#include "hellora/model/decoder.h"

namespace hellora {

struct LossSum {
  double sum = 0;     // negative log likelihood, natural log, over supervised rows
  int64_t count = 0;  // supervised rows
};

/// Rows that have a target (the id to predict, not kIgnore): their numbers and targets.
struct Supervised {
  Tensor row_N, target_N;  // int64
};
Supervised supervised_rows(std::span<const int64_t> targets_T);

/// Sum of losses without gradients. `h` holds the residual stream of every row, or only of the supervised ones.
LossSum evaluate_loss(const Decoder& decoder, const Tensor& h, const Supervised& rows, const StepContext& context);

/// Sum of losses; backpropagates scale · sum through the head (its trainable tensors accumulate) and returns
/// d(scale · sum)/dh, of h's shape, for the caller to send further down.
LossSum backward_loss(const Decoder& decoder, const Tensor& h, const Supervised& rows, double scale, const StepContext& context,
                      Tensor* dh);

}  // namespace hellora
