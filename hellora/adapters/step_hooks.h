// What a method does in each step of a training beside its forward pass. A method overrides what it needs.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "hellora/tensor/torch.h"

namespace hellora {

/// The functions are called in this order; `step` counts from 0 within the phase that runs.
struct StepHooks {
  virtual ~StepHooks() = default;
  /// The phases that a training of so many steps falls into: their lengths.
  virtual std::vector<int64_t> phases(int64_t steps) const { return {steps}; }
  /// Before the first step of a phase: what changes with it. The optimizer begins anew and the learning rate runs over the phase.
  virtual void begin_phase(size_t /*phase*/) {}
  /// What the phase multiplies the learning rate with.
  virtual double rate(size_t /*phase*/) const { return 1; }

  /// After the backward passes of a step: regularisers add their gradients to the set's; returns their sum.
  virtual double regularise() { return 0; }
  /// Gradient masks, then preconditioners: the gradient that is measured, clipped and applied. `again` computes the gradient of the same
  /// step anew, at the parameters as they are now; regularisers are not in it.
  virtual void after_backward(const std::function<void()>& /*again*/) {}
  /// Clips by a rule of its own; false: the norm over all parameters is clipped.
  virtual bool clip(double /*max_norm*/) { return false; }
  /// After the optimizer: proximal steps, mask schedules, importance. The gradient of the step is still there.
  virtual void after_step(int64_t /*step*/, int64_t /*steps*/, double /*lr*/) {}

  /// What a checkpoint must hold beside parameters and moments; views of live tensors.
  virtual std::vector<std::pair<std::string, Tensor>> state() { return {}; }
  /// Elements of a parameter that the method keeps from learning, for the audit.
  virtual int64_t masked(size_t /*param*/) const { return 0; }
};

}  // namespace hellora
