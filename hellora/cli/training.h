// The training workflow that `train` and `run` share: plan, adapters, loop, audit, results.
#pragma once

#include "hellora/cli/workspace.h"
#include "hellora/select/profile.h"
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

/// Everything a training run starts from.
struct Prepared {
  Workspace space;
  Dataset train;
  std::optional<Dataset> eval;
  std::optional<Profile> profile;  // when one was taken
  Plan plan;
  Path resume;  // a checkpoint, or empty
};

/// Loads the configuration of `train` and `run`: the file, or the one of the run folder that is resumed.
void load_run_config(RunConfig* config, const Path& file, const std::vector<std::string>& overrides, const Path& resume,
                     const Common& common);

/// Model, data, profile and plan; writes config.yaml, profile.json and plan.json into the run folder. A resumed run keeps
/// its plan. Bad input is refused before anything is written or removed. `quiet` leaves out the progress line.
Prepared prepare_training(RunConfig* config, const Path& resume, bool overwrite, bool quiet);

/// Trains and writes the run directory. Throws CheckFailed when the audit fails (the adapter is written first).
TrainOutcome run_training(RunConfig* config, Prepared& prepared, bool quiet);

/// A routing profile as the `select` section asks for.
Profile take_profile(const RunConfig& config, Workspace& space, const Dataset& train, bool quiet);

/// The plan as the `select` section asks for; `profile` may be null for policy all.
Plan make_plan(const RunConfig& config, const Decoder& decoder, const Profile* profile);

}  // namespace hellora
