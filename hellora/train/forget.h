// The second stream of a training, data.forget: rows whose loss a method pushes up, as far as its hooks say.
#pragma once

#include "hellora/adapters/step_hooks.h"
#include "hellora/train/batch_stream.h"
#include "hellora/train/prototypes.h"
#include "hellora/train/trainer.h"

namespace hellora {

class Forget {
 public:
  /// `prototypes` is null where the method asks for none.
  Forget(const TrainJob& job, const Prototypes* prototypes);

  /// The micro-batches of the step that the cursor stands at; moves it past them.
  std::vector<PackedBatch> next(StreamCursor* cursor) { return stream_.next(&cursor->epoch, &cursor->batch); }
  /// Measures the terms over these batches, then adds the gradient that the hooks ask for to the adapters'. Nobody observes these passes:
  /// audit and load of the experts are about the rows that are learned. False when the user interrupted; with `always` nobody asks.
  bool add_gradient(const std::vector<PackedBatch>& batches, const StepHooks& hooks, int64_t step, bool always, StreamTerms* measured);

  const Schedule& schedule() const { return stream_.schedule(); }

 private:
  void one_pass(const PackedBatch& packed, const StepContext& context, const StreamTerms& scales, StreamTerms* sums) const;

  const TrainJob& job_;
  const Prototypes* prototypes_;
  BatchStream stream_;
};

}  // namespace hellora
