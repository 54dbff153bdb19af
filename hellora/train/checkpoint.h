// Checkpoints of a run: parameters, moments, counters of audit and load, cursor, identity, and the adapter for use; DONE is written last.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "hellora/train/audit.h"
#include "hellora/train/expert_load.h"
#include "hellora/train/optimizer.h"

namespace hellora {

/// Where a stream of rows stands. Batches are a function of (seed, epoch), so two numbers are the whole data state.
struct StreamCursor {
  int64_t epoch = 0, batch = 0;
};

/// Where training stands.
struct Cursor {
  int64_t step = 0;  // optimizer steps done
  int64_t epoch = 0, batch = 0;
  int64_t tokens = 0;                    // seen so far
  std::optional<StreamCursor> forget{};  // of the second stream, where there is one
};

/// What the evaluations between steps have said so far.
struct Evaluations {
  std::string data;       // hash of the evaluation data; empty: none yet
  int64_t step = 0;       // of the last one
  int64_t best_step = 0;  // of the lowest loss; 0: none yet
  double best_loss = 0;
  int64_t stale = 0;  // evaluations since the best one
  /// Takes the loss at a step; true when it is the lowest so far.
  bool take(int64_t at_step, double loss);
};

/// How long a run is to be.
struct Length {
  double epochs = 0;
  int64_t max_steps = 0, total = 0;  // total: the optimizer steps that the two come to
};

/// What state.json holds.
struct CheckpointState {
  Cursor cursor;
  Length length;
  Evaluations evaluations;
  Json identity = Json::object();  // what the run is: model, data, plan, configuration
  int64_t phase = 0;               // of the method's
};

/// Everything whose tensors make the state of a run. Audit and load may be null.
struct StateTensors {
  AdapterSet& adapters;
  AdamW& optimizer;
  Audit* audit = nullptr;
  ExpertLoad* load = nullptr;
  std::vector<std::pair<std::string, Tensor>> method{};  // StepHooks::state
};

/// Writes an adapter folder for a step; empty where the method makes none.
using AdapterWriter = std::function<void(const Path& folder, int64_t step)>;

void save_checkpoint(const Path& run_dir, const CheckpointState& state, const StateTensors& tensors,
                     const AdapterWriter& write_adapter = {});

/// state.json alone. FormatError names the key whose value cannot be.
CheckpointState read_checkpoint_state(const Path& checkpoint);

/// Tensors too. StateError: a checkpoint of another run, with every part of the identity that differs; FormatError: shapes,
/// types or values that no run writes.
CheckpointState load_checkpoint(const Path& checkpoint, const Json& identity, const StateTensors& tensors);

/// The complete checkpoints of a run directory by step.
std::map<int64_t, Path> list_checkpoints(const Path& run_dir);

/// The newest complete checkpoint of a run directory (or the argument itself when it is one); empty when there is none.
Path find_checkpoint(const Path& run_dir_or_checkpoint);

/// Which checkpoints stay beside the newest one.
struct Retention {
  int64_t limit = 0;  // newest ones to keep; 0: all
  int64_t every = 0;  // steps between the regular ones: others go as soon as they are not the newest
  int64_t best = 0;   // never removed
};
void prune_checkpoints(const Path& run_dir, const Retention& retention);

}  // namespace hellora
