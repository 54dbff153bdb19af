// Does the run fit into this machine? The forecast, and the size of a micro-batch that fits.
#pragma once

#include "hellora/model/count.h"
#include "hellora/recipe/workspace.h"
#include "hellora/train/memory.h"

namespace hellora {

/// Resolves train.micro_batch_tokens: 2,048 tokens or data.max_length, halved until the forecast fits (never below max_length).
/// StateError when even that does not fit, or a given number does not.
void settle_memory(RunConfig* config, const ModelShape& shape);

/// The most parameters that are trained at a time, before the plan is known, and the peak memory with them.
AdapterElements most_elements(const RunConfig& config, const ModelShape& shape);
Forecast forecast_most(const RunConfig& config, const ModelShape& shape);
/// Peak memory of a run that trains these experts, before it is set up: every layer counts as adapted.
Forecast forecast_plan(const RunConfig& config, const ModelShape& shape, const Plan& plan);

/// Peak memory of a run with these adapters.
Forecast forecast_run(const RunConfig& config, const ModelShape& shape, const AdapterSet& adapters);

}  // namespace hellora
