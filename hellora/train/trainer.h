// The training loop: micro-batches, gradient accumulation, clipping, AdamW, evaluation, checkpoints, audit.
#pragma once

#include <functional>

#include "hellora/model/loss.h"
#include "hellora/train/checkpoint.h"
#include "hellora/train/config.h"
#include "hellora/train/metrics.h"

namespace hellora {

struct StepReport {
  int64_t step = 0, total = 0;  // step counts from 1
  double loss = 0, lr = 0, grad_norm = 0, tokens_per_second = 0;
  double seconds_left = 0;
  int64_t resident = 0;
  double seconds = 0, forward_seconds = 0, backward_seconds = 0, optimizer_seconds = 0;
};

struct TrainJob {
  Decoder* decoder = nullptr;
  AdapterSet* adapters = nullptr;  // already bound to the decoder
  const Dataset* data = nullptr;
  TrainConfig config;
  PackingRule packing;
  uint64_t seed = 0;
  int64_t phase = 1;  // separates the random streams of warm-up and training
  std::vector<Observer*> observers;
  std::function<void(const PackedBatch&)> before_batch;
  std::function<LossSum(const Decoder&)> evaluate;  // may be empty
  std::function<void(const StepReport&)> progress;  // may be empty
  Path run_dir;                                     // empty: nothing is written
  Path resume;                                      // a checkpoint; empty: from the start
  Json identity = Json::object();
  bool audit = false;
};

struct TrainResult {
  int64_t steps = 0, tokens = 0;
  double seconds = 0;  // of the steps taken here, without evaluation
  double last_loss = 0;
  Json audit;  // when asked for
  bool audit_passed = true;
  double tokens_per_second() const { return seconds > 0 ? static_cast<double>(step_tokens) / seconds : 0; }
  int64_t step_tokens = 0;  // tokens of the steps taken here
};

/// Optimizer steps that the configuration asks for.
int64_t total_steps(const TrainJob& job);

/// Trains. Throws Interrupted after the first Ctrl-C (state saved when there is a run directory) and CheckFailed on a
/// non-finite loss or gradient (nothing of that step is applied).
TrainResult train(const TrainJob& job);

}  // namespace hellora
