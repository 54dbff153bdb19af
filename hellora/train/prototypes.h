// Prototypes: what the rows of a stream looked like inside the model before training, and how far they are from it now. A row's features
// are its hidden state after the final norm, in the mean over its supervised tokens; a stream's prototype is their mean over its rows.
#pragma once

#include "hellora/data/packing.h"
#include "hellora/model/loss.h"

namespace hellora {

/// KL(q ‖ f) of each row, q = softmax(prototype_D), f = softmax(feature_SD[s]); natural log, fp64.
Tensor prototype_divergence(const Tensor& prototype_D, const Tensor& feature_SD);

/// Of the two streams of a training.
class Prototypes {
 public:
  enum Stream : uint8_t { keep, forget };

  explicit Prototypes(int64_t width) : values_(at::zeros({2, width}, at::TensorOptions(at::kDouble))) {}
  /// For the forecast of memory.
  static int64_t bytes(int64_t width) { return 2 * width * static_cast<int64_t>(sizeof(double)); }

  /// Takes the prototype of a stream from the model as it is, over the first `rows` rows of these batches; false when the user interrupted.
  bool take(const Decoder& decoder, const Dataset& data, const std::vector<std::vector<int64_t>>& batches, int64_t rows, Stream stream);
  /// Sum of the rows' divergences from their stream's prototype; adds scale · d(sum)/dh to `dh` (of h's shape) unless scale is 0.
  double drift(const Decoder& decoder, const Tensor& h, const PackedBatch& packed, Stream stream, double scale, Tensor* dh) const;
  /// Rows of a batch that have features.
  static int64_t rows(const PackedBatch& packed);

  const Tensor& values() const { return values_; }  // for checkpoints

 private:
  Tensor values_;  // (2, D)
};

}  // namespace hellora
