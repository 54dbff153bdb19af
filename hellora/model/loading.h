// Loading a model with somebody watching: what a progress line needs.
#pragma once

#include <functional>

#include "hellora/model/decoder.h"

namespace hellora {

/// Called after each decoder layer with the layers that are in memory and their number in all.
using LoadProgress = std::function<void(int64_t done, int64_t total)>;

ModelWeights load_weights(const Checkpoint& checkpoint, const ModelShape& shape, const WeightDtypes& dtypes, const LoadProgress& progress);
std::unique_ptr<Decoder> load_decoder(const Checkpoint& checkpoint, const WeightDtypes& dtypes, const Compute& compute,
                                      const LoadProgress& progress);

}  // namespace hellora
