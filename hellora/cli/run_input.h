// What a training run starts from: configuration, model, data, profile and plan, all checked.
#pragma once

#include "hellora/cli/workspace.h"
#include "hellora/select/profile.h"

namespace hellora {

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

}  // namespace hellora
