// Micro-batches: which examples go together, in an order that is a function of (seed, epoch) alone, so that a resumed
// run continues with the same batches.
#pragma once

#include <span>

#include "hellora/data/dataset.h"

namespace hellora {

struct Document {
  int64_t start = 0, length = 0;
  int64_t example = 0;
};

/// Several documents one after the other.
struct PackedBatch {
  std::vector<int64_t> ids, targets, positions;
  std::vector<Document> documents;
  int64_t supervised = 0;
};

PackedBatch pack(const Dataset& dataset, std::span<const int64_t> examples);
/// Has the rows of a batch to come read from the disk, if they lie there, while others are worked on.
void will_need(const Dataset& dataset, std::span<const int64_t> examples);

/// The micro-batches of one epoch. With packing, examples are taken in shuffled order and a batch is closed before it
/// would exceed `tokens`; without, each batch holds tokens / max_length examples (at least one).
struct PackingRule {
  int64_t tokens = 2048;
  bool packing = true;
  int64_t max_length = 512;
};
std::vector<std::vector<int64_t>> epoch_batches(const Dataset& dataset, const PackingRule& rule, uint64_t seed, int64_t epoch);
/// The same in file order, for evaluation and profiling.
std::vector<std::vector<int64_t>> ordered_batches(const Dataset& dataset, const PackingRule& rule);

}  // namespace hellora
