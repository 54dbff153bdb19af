// What makes a run the run that it is, and what a resumed one may not change.
#pragma once

#include "hellora/adapters/plan.h"
#include "hellora/data/dataset.h"
#include "hellora/model/decoder.h"
#include "hellora/recipe/run_config.h"

namespace hellora {

/// The declared keys that a resume may not change, with their values. Settings of the selection stand only for a plan that was made here:
/// one that was given is compared itself.
Json run_settings(RunConfig* config, const ModelShape& shape);

/// What a checkpoint must agree on: run_settings, and hashes of model, data and plan. `forget` is null without data.forget.
Json run_identity(RunConfig* config, const Decoder& decoder, const Dataset& train, const Dataset* forget, const Plan& plan);

}  // namespace hellora
