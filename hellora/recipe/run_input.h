// What a training run starts from: configuration, model, data, profile and plan, all checked.
#pragma once

#include "hellora/recipe/run_forecast.h"
#include "hellora/recipe/run_start.h"
#include "hellora/recipe/time_spent.h"
#include "hellora/recipe/workspace.h"
#include "hellora/select/profile.h"

namespace hellora {

/// Everything a training run starts from.
struct Prepared {
  std::unique_ptr<RunFolder> folder;  // held until the run ends
  Workspace space;
  Dataset train;
  std::optional<Dataset> eval, forget;
  std::optional<Profile> profile;  // when one was taken
  Plan plan;
  Path resume;  // a checkpoint, or empty
  Json identity;
  std::string resume_command;
  RunForecast forecast;
  TimeSpent time;
  const Dataset* to_forget() const { return forget ? &*forget : nullptr; }
};

/// Takes the output folder, loads model and data, makes profile and plan; writes config.yaml, profile.json and plan.json into the
/// folder. A resumed run keeps its plan. Bad input is refused before anything is written or removed.
/// With --dry-run it ends there: plan and profile are not made.
Prepared prepare_training(RunConfig* config, const RunStart& start);

}  // namespace hellora
