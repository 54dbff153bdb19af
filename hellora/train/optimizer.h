// AdamW on the flat state, clipping included.
#pragma once

#include "hellora/adapters/adapter_set.h"
#include "hellora/train/config.h"

namespace hellora {

/// Moments live in two flat buffers shaped like the parameters. One step tensor serves all.
class AdamW {
 public:
  AdamW(AdapterSet& adapters, const TrainConfig& config);

  /// Norm of the flat gradient over all parameters.
  double grad_norm() const;
  /// Scales the gradient to at most config.max_grad_norm (0: never), given its norm.
  void clip(double norm);
  void step(double lr);
  void zero_grad();
  /// As before the first step: no moments.
  void reset();

  Tensor& first_moment() { return first_; }
  Tensor& second_moment() { return second_; }
  int64_t steps_done() const { return steps_; }
  void set_steps_done(int64_t steps) { steps_ = steps; }

 private:
  AdapterSet& adapters_;
  const TrainConfig& config_;
  Tensor first_, second_;
  int64_t steps_ = 0;
};

}  // namespace hellora
