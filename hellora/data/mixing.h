// Which rows an epoch takes, and how often; which are kept from training for evaluation.
#pragma once

#include <span>

#include "hellora/data/dataset.h"

namespace hellora {

/// Gives the files of a dataset their weights (data.weights) and takes them into its hash. ConfigError unless there is one for each file.
void set_weights(Dataset& dataset, std::span<const double> weights);

/// The examples in their files' order, each once.
std::vector<int64_t> file_order(const Dataset& dataset);
/// The same by weight: of a file of weight w every example stands there floor(w) times, and so many of them once more that there are w
/// times as many in all; which ones is a function of (seed, epoch) alone. A file gives at least one.
std::vector<int64_t> mixed_order(const Dataset& dataset, uint64_t seed, int64_t epoch);

/// Takes part of the examples out of `dataset` and returns them, in their order. Which ones is a function of `seed` and of the rows
/// themselves, wherever they stand: equal rows, and all rows of one record, go to the same side. At least one row stays on each side;
/// DataError when that is impossible.
Dataset split_off(Dataset& dataset, const EvalShare& share, uint64_t seed);

}  // namespace hellora
