// Checkpoints of a run: parameters, moments, audit counters, cursor and identity; DONE is written last.
#pragma once

#include "hellora/train/audit.h"
#include "hellora/train/optimizer.h"

namespace hellora {

/// Where training stands. Batches are a function of (seed, epoch), so two numbers are the whole data state.
struct Cursor {
  int64_t step = 0;  // optimizer steps done
  int64_t epoch = 0, batch = 0;
  int64_t tokens = 0;  // seen so far
};

/// `identity` says what the run is (model, data, plan, configuration); a checkpoint of another run is refused on loading.
void save_checkpoint(const Path& run_dir, const Cursor& cursor, const Json& identity, AdapterSet& adapters, AdamW& optimizer,
                     const Audit* audit);
/// StateError names the first part of the identity that differs.
Cursor load_checkpoint(const Path& checkpoint, const Json& identity, AdapterSet& adapters, AdamW& optimizer, Audit* audit);

/// The newest complete checkpoint of a run directory (or the argument itself when it is one); empty when there is none.
Path find_checkpoint(const Path& run_dir_or_checkpoint);

}  // namespace hellora
