// Loss and perplexity over a dataset.
#pragma once

#include "hellora/data/packing.h"
#include "hellora/model/loss.h"

namespace hellora {

/// Called before each forward pass; returns false to stop there.
using BeforeBatch = std::function<bool(const PackedBatch&)>;

/// Summed loss over the supervised tokens, in file order, without gradients. Observers see every pass.
/// CheckFailed names the record, or the layer of a router, that gives no finite number.
LossSum evaluate_dataset(const Decoder& decoder, const Dataset& data, const PackingRule& rule, std::span<Observer* const> observers = {},
                         const BeforeBatch& before_batch = {});

}  // namespace hellora
