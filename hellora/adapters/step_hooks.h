// What a method does in each step of a training beside its forward pass. A method overrides what it needs.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "hellora/tensor/torch.h"

namespace hellora {

/// Means over the rows of a stream in one step.
struct StreamTerms {
  double loss = 0;   // cross-entropy per supervised token
  double drift = 0;  // of a row's features from the stream's prototype, where StepHooks::prototype_rows asks for those
};

/// The functions are called in this order; `step` counts from 0 within the phase that runs.
struct StepHooks {
  virtual ~StepHooks() = default;
  /// The phases that a training of so many steps falls into: their lengths.
  virtual std::vector<int64_t> phases(int64_t steps) const { return {steps}; }
  /// Before the first step of a phase: what changes with it. The optimizer begins anew and the learning rate runs over the phase.
  virtual void begin_phase(size_t /*phase*/) {}
  /// What the phase multiplies the learning rate with.
  virtual double rate(size_t /*phase*/) const { return 1; }

  /// How many rows of each stream make its prototype: the mean of their features before the first step. 0: there are none.
  virtual int64_t prototype_rows() const { return 0; }
  /// The derivative of the step's loss by the drift of the training rows.
  virtual double drift_weight() const { return 0; }
  /// The derivatives of the step's loss by the terms of the second stream (Method::needs_forget), which were measured over all of the
  /// step before, without gradients: a rule that is not linear, such as a bound, holds for the step and not for each micro-batch.
  virtual StreamTerms forget_weights(const StreamTerms& /*measured*/) const { return {}; }

  /// After the backward passes of a step: regularisers add their gradients to the set's; returns their sum.
  virtual double regularise(int64_t /*step*/) { return 0; }
  /// Gradient masks, then preconditioners: the gradient that is measured, clipped and applied. `again` computes the gradient of the same
  /// step anew, at the parameters as they are now; regularisers are not in it.
  virtual void after_backward(const std::function<void()>& /*again*/) {}
  /// Clips by a rule of its own; false: the norm over all parameters is clipped.
  virtual bool clip(double /*max_norm*/) { return false; }
  /// After the optimizer: proximal steps, mask schedules, importance. The gradient of the step is still there.
  virtual void after_step(int64_t /*step*/, int64_t /*steps*/, double /*lr*/) {}

  /// What the metrics show of a step beside losses.
  virtual std::vector<std::pair<std::string, int64_t>> counts() const { return {}; }
  /// What a checkpoint must hold beside parameters and moments; views of live tensors.
  virtual std::vector<std::pair<std::string, Tensor>> state() { return {}; }
  /// Elements of a parameter that the method keeps from learning, for the audit.
  virtual int64_t masked(size_t /*param*/) const { return 0; }
};

}  // namespace hellora
