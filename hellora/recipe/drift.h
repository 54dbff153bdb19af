// Does the router still choose the planned experts while training goes on, and when it is over?
#pragma once

#include "hellora/adapters/plan.h"
#include "hellora/eval/perplexity.h"
#include "hellora/select/profile.h"

namespace hellora {

/// Coverage of the plan's experts on the evaluation data (or on the first 8,192 training tokens): before, and as last measured.
class HotDrift {
 public:
  enum When { start, now };
  static constexpr int64_t kProbeTokens = 8192;
  /// `whole`: all of `data`; otherwise only its first tokens.
  HotDrift(const ModelShape& shape, const Plan& plan, const Dataset& data, bool whole);
  /// One pass over the data; the loss comes for free. Measuring `now` again forgets the last time. Cut short once
  /// interrupt_requested().
  LossSum measure(const Decoder& decoder, const PackingRule& rule, When when, const AfterBatch& after_batch = {});
  /// {coverage_start, coverage_end, hot_start, still_hot, layers: [the same with `layer`]}: hot_start and still_hot are the shares of
  /// the plan's experts that were and are among the busiest as many.
  Json report() const;
  /// Lines for a person, where coverage of a layer fell by more than a fifth of what it was, or still_hot is more than a fifth below
  /// hot_start. Each is said once.
  std::vector<std::string> warnings();

 private:
  bool names_some_experts() const;

  const ModelShape shape_;
  const Plan& plan_;
  Dataset data_;
  RouteCounter counters_[2];
  bool said_coverage_ = false, said_set_ = false;
};

/// The lines for a report() that HotDrift::warnings gives, empty where there is nothing to say.
std::string coverage_warning(const Json& report);
std::string hot_set_warning(const Json& report);

}  // namespace hellora
