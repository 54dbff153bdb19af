// The training workflow that `train` and `run` share: plan, adapters, loop, audit, results.
#pragma once

#include "hellora/cli/workspace.h"
#include "hellora/select/profile.h"
#include "hellora/train/memory.h"

namespace hellora {

struct TrainOutcome {
  TrainResult result;
  double loss_before = 0, loss_after = 0;  // evaluation loss per token; 0 without evaluation data
  bool evaluated = false;
  int64_t trainable = 0, trainable_all_experts = 0;
  int64_t base = 0;                        // parameters of the frozen model
  Forecast forecast;
  Path adapter;                            // folder that was written (a model folder for method full)
  Json summary;
};

/// Trains on `plan` and writes the run directory. `resume` may be a checkpoint. Throws CheckFailed when the audit fails
/// (the adapter is written first).
TrainOutcome run_training(RunConfig* config, Workspace& space, const Dataset& train, const Dataset* eval, const Plan& plan, const Path& resume,
                          bool quiet);

/// A routing profile as the `select` section asks for.
Profile take_profile(const RunConfig& config, Workspace& space, const Dataset& train, bool quiet);

/// The plan as the `select` section asks for; `profile` may be null for policy all.
Plan make_plan(const RunConfig& config, const Decoder& decoder, const Profile* profile);

/// Refuses a folder that holds something, unless `overwrite` (then it is emptied) or `resume`.
void prepare_output(const Path& folder, bool overwrite, bool resume);

}  // namespace hellora
