// Loss and perplexity over a dataset.
#pragma once

#include "hellora/data/packing.h"
#include "hellora/model/loss.h"

namespace hellora {

/// Called before each forward pass; returns false to stop there.
using BeforeBatch = std::function<bool(const PackedBatch&)>;

/// Called after each forward pass with the passes done, their number in all and the loss so far.
using AfterBatch = std::function<void(int64_t done, int64_t total, const LossSum& so_far)>;

/// Summed loss over the supervised tokens, in file order, without gradients. Observers see every pass.
/// CheckFailed names the record, or the layer of a router, that gives no finite number.
LossSum evaluate_dataset(const Decoder& decoder, const Dataset& data, const PackingRule& rule, std::span<Observer* const> observers = {},
                         const BeforeBatch& before_batch = {}, const AfterBatch& after_batch = {});

}  // namespace hellora
