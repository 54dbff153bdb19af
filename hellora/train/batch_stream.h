// The micro-batches of a dataset, one optimizer step after the other. It never ends: epoch follows epoch.
#pragma once

#include "hellora/data/packing.h"
#include "hellora/train/length.h"

namespace hellora {

class BatchStream {
 public:
  explicit BatchStream(const Schedule& schedule) : schedule_(schedule) {}
  /// Those of the step that stands at (epoch, batch), at most as many as gradients are summed over, none of the next epoch; moves the
  /// cursor past them.
  std::vector<PackedBatch> next(int64_t* epoch, int64_t* batch);
  const Schedule& schedule() const { return schedule_; }

 private:
  void load(int64_t epoch);

  Schedule schedule_;
  std::vector<std::vector<int64_t>> batches_;  // examples of each, of one epoch
  int64_t loaded_ = -1;
};

}  // namespace hellora
