// What a finished run writes: the adapter (or model), the audit and the summary.
#pragma once

#include "hellora/recipe/workspace.h"
#include "hellora/train/memory.h"

namespace hellora {

struct TrainOutcome {
  TrainResult result;
  double loss_before = 0, loss_after = 0;  // evaluation loss per token; 0 without evaluation data
  bool evaluated = false, makes_adapter = true;
  int64_t trainable = 0, trainable_all_experts = 0;
  int64_t base = 0;  // parameters of the frozen model
  Forecast forecast;
  int64_t best_step = 0;  // whose adapter it is, with train.keep_best
  Path adapter;           // folder that was written (a model folder for method full)
  Json summary;
};

/// Where the adapter of a run comes from; stored beside it.
struct RunOrigin {
  const RunConfig* config = nullptr;
  const Workspace* space = nullptr;
  const Dataset* train = nullptr;
  const Plan* plan = nullptr;
};

/// The adapter as it is after a step, with the chat template where that was a file.
void write_run_adapter(const Path& folder, const AdapterSet& adapters, const RunOrigin& origin, int64_t step);

/// RUN/adapter (RUN/model for method full), whole or not at all; returns its path.
Path write_result(const AdapterSet& adapters, const RunOrigin& origin, int64_t step);

/// audit.json
void write_audit(const RunConfig& config, const Json& audit);

Json summary_json(const RunConfig& config, const TrainOutcome& outcome, const Plan& plan, const Dataset& train);

}  // namespace hellora
