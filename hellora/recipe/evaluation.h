// The evaluations of a run as a person sees them: a line while each goes on, and what it found.
#pragma once

#include <optional>

#include "hellora/recipe/drift.h"

namespace hellora {

class Evaluation {
 public:
  /// On `eval`, or where there is none on the first training tokens, for the routing alone.
  Evaluation(const ModelShape& shape, const Plan& plan, const Dataset& train, const Dataset* eval, const PackingRule& rule);

  /// Of the base, before the adapters are bound; the loss per token where there is evaluation data.
  std::optional<double> before(const Decoder& decoder);
  /// The same later.
  LossSum again(const Decoder& decoder);
  /// "eval 50: loss 3.6231 (5.8363 at start)", and what routing has become where that deserves a warning.
  void tell(int64_t step, double loss);
  /// What hot_set_drift of the audit holds.
  Json report() const { return drift_.report(); }
  void warn();
  double seconds() const { return seconds_; }  // of all evaluations so far

 private:
  LossSum measure(const Decoder& decoder, HotDrift::When when);

  bool has_data_;
  PackingRule rule_;
  HotDrift drift_;
  std::optional<double> at_start_;
  double seconds_ = 0;
};

}  // namespace hellora
