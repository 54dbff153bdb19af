// Learning-rate schedules as functions of the step.
#pragma once

#include "hellora/train/config.h"

namespace hellora {

/// Rate of step t (from 0) of `total`. Rises as lr·(t+1)/warmup_steps, warmup_steps = ceil(ratio·total), then constant,
/// linear to 0, or cosine to 0.
double learning_rate(const TrainConfig& config, int64_t step, int64_t total);

}  // namespace hellora
