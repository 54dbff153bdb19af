// What a finished run writes: the adapter (or model), the audit and the summary.
#pragma once

#include "hellora/cli/workspace.h"
#include "hellora/train/memory.h"

namespace hellora {

struct TrainOutcome {
  TrainResult result;
  double loss_before = 0, loss_after = 0;  // evaluation loss per token; 0 without evaluation data
  bool evaluated = false, makes_adapter = true;
  int64_t trainable = 0, trainable_all_experts = 0;
  int64_t base = 0;  // parameters of the frozen model
  Forecast forecast;
  Path adapter;  // folder that was written (a model folder for method full)
  Json summary;
};

/// Writes RUN/adapter (RUN/model for method full) and names it in the outcome.
void write_result(const RunConfig& config, Workspace& space, const AdapterSet& adapters, const Dataset& train, const Plan& plan,
                  const Json& identity, TrainOutcome& outcome);

Json summary_json(const RunConfig& config, const TrainOutcome& outcome, const Plan& plan);

}  // namespace hellora
