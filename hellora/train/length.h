// How many optimizer steps a run has.
#pragma once

#include "hellora/data/packing.h"
#include "hellora/train/checkpoint.h"
#include "hellora/train/config.h"

namespace hellora {

/// The batches of the data in order: what the number of steps follows from.
struct Schedule {
  const Dataset* data = nullptr;
  PackingRule packing;
  uint64_t seed = 0;
  int64_t grad_accumulation = 1;
};

/// Steps of the epochs 0 … count-1. Without shuffling them where every epoch has as many batches.
/// ConfigError when it would have to shuffle for long: count is then more than a hundred.
int64_t steps_of_epochs(const Schedule& schedule, int64_t count);

/// ConfigError when nothing would be trained.
void refuse_idle(const TrainConfig& config);

Length run_length(const Schedule& schedule, const TrainConfig& config);

/// A run that is resumed may become longer: StateError when it is shorter now.
void refuse_shorter(const CheckpointState& saved, const Length& now, const Path& checkpoint);
/// Says that a run became longer; a warning where the learning rates of the steps done would have been others.
void tell_longer(const CheckpointState& saved, const Length& now, const TrainConfig& config);

/// FormatError when the cursor of a checkpoint cannot be reached with these batches. `stream` is the key of the cursor in state.json.
void check_cursor(const Cursor& cursor, const Schedule& schedule, const Path& checkpoint, const std::string& stream = "");

}  // namespace hellora
