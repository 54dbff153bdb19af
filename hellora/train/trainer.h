// The training loop: micro-batches, gradient accumulation, clipping, AdamW, evaluation, checkpoints, audit.
#pragma once

#include <functional>

#include "hellora/model/loss.h"
#include "hellora/train/checkpoint.h"
#include "hellora/train/config.h"
#include "hellora/train/expert_load.h"
#include "hellora/train/length.h"
#include "hellora/train/metrics.h"

namespace hellora {

struct StepReport {
  int64_t step = 0, total = 0;  // step counts from 1
  double loss = 0, lr = 0, grad_norm = 0, tokens_per_second = 0;
  double seconds_left = 0;
  int64_t resident = 0;
  double seconds = 0, forward_seconds = 0, backward_seconds = 0, optimizer_seconds = 0;
  int64_t tokens = 0;
};

struct TrainJob {
  Decoder* decoder = nullptr;
  AdapterSet* adapters = nullptr;  // already bound to the decoder
  const Dataset* data = nullptr;
  const Dataset* forget = nullptr;  // the method's second stream (Method::needs_forget); null: it has none
  TrainConfig config;
  PackingRule packing;
  uint64_t seed = 0;
  int64_t phase = 1;  // separates the random streams of warm-up and training
  std::vector<Observer*> observers;
  std::function<void(const PackedBatch&)> before_batch;
  std::function<LossSum(const Decoder&)> evaluate;  // may be empty; may stop early once interrupt_requested(), its result is then dropped
  std::string evaluation_data;                      // hash of what `evaluate` measures on
  std::function<void(int64_t step, double loss)> evaluated;  // told of each evaluation between steps; may be empty
  ExpertLoad* load = nullptr;                                // written with the evaluations; null: not counted
  std::function<void(const StepReport&)> progress;           // may be empty
  Path run_dir;                                              // empty: nothing is written
  Path resume;                                               // a checkpoint; empty: from the start
  std::string resume_command;                                // what the user types to go on, for messages
  AdapterWriter write_adapter;                               // into each checkpoint; may be empty
  Json identity = Json::object();
  bool audit = false;
};

struct TrainResult {
  int64_t steps = 0, tokens = 0;
  double seconds = 0;  // of the steps taken here, without evaluation
  double last_loss = 0;
  Json audit;  // when asked for
  bool audit_passed = true;
  Evaluations evaluations;     // those between steps
  bool stopped_early = false;  // train.early_stop
  double tokens_per_second() const { return seconds > 0 ? static_cast<double>(step_tokens) / seconds : 0; }
  int64_t step_tokens = 0;  // tokens of the steps taken here
};

/// The batches that a job goes through.
Schedule schedule_of(const TrainJob& job);

/// Optimizer steps that the configuration asks for.
int64_t total_steps(const TrainJob& job);

class Loop;

/// One training. The job must outlive it, with its adapters as they are before the first step.
class Trainer {
 public:
  explicit Trainer(const TrainJob& job);
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;
  ~Trainer();

  /// Trains. Throws Interrupted after the first Ctrl-C (state saved when there is a run directory) and CheckFailed on a
  /// non-finite loss or gradient (nothing of that step is applied).
  TrainResult run();
  /// Writes a point of the metrics where the training stands now, with the load of the experts since the last one, unless an earlier part
  /// of the run wrote it: of the base before run(), of the result after it.
  void note_evaluation(std::optional<double> loss);
  /// Puts parameters and audit back to a checkpoint of this run; the result is what a run to there would have had.
  TrainResult go_back(const Path& checkpoint);

 private:
  std::unique_ptr<Loop> loop_;
};

/// A training that nobody goes back in.
TrainResult train(const TrainJob& job);

}  // namespace hellora
