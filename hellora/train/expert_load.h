// Where the rows of training went: the load of every expert since the last look, and how that fits the plan.
#pragma once

#include "hellora/adapters/plan.h"
#include "hellora/model/decoder.h"

namespace hellora {

/// Counts the routed slots of training passes. In the last layer these are the rows that matter to the loss.
class ExpertLoad : public Observer {
 public:
  ExpertLoad(const ModelShape& shape, const Plan& plan);
  void on_route(int64_t layer, const Routing& routing) override;
  bool watches_all_rows() const override { return false; }

  /// Adds what the passes of a step saw; without it an interrupted step leaves no trace.
  void end_step(int64_t tokens);
  /// {tokens, coverage, drift, balance, layers: [{layer, coverage, drift, balance, load[E]}]} since the last call, which starts the
  /// counting anew; null when there is nothing to say. Coverage: share of the slots that the planned experts take. Drift: share of the
  /// planned experts that are not among the busiest as many. Balance: the busiest expert's load over the mean one, 1 for an even load.
  Json take();

  // Accumulators, for checkpoints: (layers, experts) counts, and the tokens.
  Tensor counts_LE, tokens_1;  // int64

 private:
  Json layer_report(size_t row) const;

  std::vector<int64_t> routed_;
  std::vector<std::vector<int64_t>> planned_;
  Tensor step_LE;
};

/// Share of `experts` that are among the busiest as many; 1 without any.
double busiest_share(std::span<const int64_t> counts, std::span<const int64_t> experts);

}  // namespace hellora
