// Does the router still choose the planned experts when training is over?
#pragma once

#include "hellora/adapters/plan.h"
#include "hellora/data/packing.h"
#include "hellora/model/loss.h"
#include "hellora/select/profile.h"

namespace hellora {

/// Coverage of the plan's experts on the evaluation data (or on the first 8,192 training tokens), before and after.
class HotDrift {
 public:
  enum When { start, end };
  /// `whole`: all of `data`; otherwise only its first tokens.
  HotDrift(const ModelShape& shape, const Plan& plan, const Dataset& data, bool whole);
  /// One pass over the data; the loss comes for free. Cut short once interrupt_requested().
  LossSum measure(const Decoder& decoder, const PackingRule& rule, When when);
  /// {coverage_start, coverage_end, layers: [{layer, coverage_start, coverage_end, still_hot}]}: still_hot is the share of
  /// the plan's experts that are among the busiest as many at the end.
  Json report() const;

 private:
  const Plan& plan_;
  Dataset data_;
  RouteCounter counters_[2];
};

}  // namespace hellora
