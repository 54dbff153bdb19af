// Models with made-up weights at true widths, straight in the engine's layout: for measurements without a checkpoint.
#pragma once

#include "hellora/model/decoder.h"

namespace hellora {

/// Shares of the routed slots by expert, for layer i those at i modulo their number; none: whatever comes.
struct SyntheticRouting {
  std::vector<std::vector<double>> shares;
};

/// Random weights of a shape. Each expert takes about its share of the routed slots: a constant feature in the stream raises or
/// lowers its router logit.
ModelWeights synthetic_weights(const ModelShape& shape, const WeightDtypes& dtypes, const SyntheticRouting& routing, uint64_t seed);

}  // namespace hellora
