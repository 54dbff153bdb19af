// What makes a run the run that it is.
#pragma once

#include "hellora/adapters/plan.h"
#include "hellora/cli/run_config.h"
#include "hellora/data/dataset.h"
#include "hellora/model/decoder.h"

namespace hellora {

/// What a checkpoint must agree on. Paths, threads and evaluation settings may change between start and resume.
Json run_identity(const RunConfig& config, const Decoder& decoder, const Dataset& train, const Plan& plan);

}  // namespace hellora
