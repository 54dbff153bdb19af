// Models with made-up weights at true widths, straight in the engine's layout: for measurements without a checkpoint.
#pragma once

#include "hellora/model/decoder.h"

namespace hellora {

/// Random weights of a shape. The first `hot` experts of each layer take about `share` of the routed slots (0: whatever
/// comes): a constant feature in the stream raises their router logits.
ModelWeights synthetic_weights(const ModelShape& shape, const WeightDtypes& dtypes, int64_t hot, double share, uint64_t seed);

}  // namespace hellora
