// Causal attention per segment: projections, norms, clamp, rope, scaled dot product, output projection.
#pragma once

#include "hellora/model/batch.h"
#include "hellora/model/kv_cache.h"
#include "hellora/model/rope.h"
#include "hellora/model/weights.h"

namespace hellora {

struct AttentionAdapters {
  const Adapter *q = nullptr, *k = nullptr, *v = nullptr, *o = nullptr, *q_norm = nullptr, *k_norm = nullptr;
};

/// x_TD is the normed input. `cache` may be null (segments attend to themselves only). Where `row_N` is defined, only these rows
/// go through the output projection.
Tensor attention(const Tensor& x_TD, const LayerWeights& weights, const ModelShape& shape, const AttentionAdapters& adapters, int64_t layer,
                 const StepContext& context, const Batch& batch, const RopeAngles& angles, KvCache* cache, const Compute& compute,
                 const Tensor& row_N = {});

}  // namespace hellora
