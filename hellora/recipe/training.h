// The training workflow that `train` and `run` share: adapters, loop, audit, results.
#pragma once

#include "hellora/recipe/run_input.h"
#include "hellora/recipe/run_result.h"

namespace hellora {

/// Trains and writes the run directory. Throws CheckFailed when the audit fails (the adapter is written first).
TrainOutcome run_training(RunConfig* config, Prepared& prepared);

}  // namespace hellora
