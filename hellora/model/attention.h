// Causal attention per segment: projections, norms, clamp, rope, scaled dot product, output projection.
// T rows, A query heads, G key heads, C head width, D model width.
#pragma once

#include "hellora/model/batch.h"
#include "hellora/model/kv_cache.h"
#include "hellora/model/weights.h"
#include "hellora/tensor/attention.h"

namespace hellora {

/// What an attention block works with. `adapters` are those of the layer (null: none), `cache` may be null (segments attend to
/// themselves only). Where `row_N` is defined, only these rows go through the output projection.
struct AttentionBlock {
  const ModelShape& shape;
  const LayerWeights& weights;
  const SlotMap<const Adapter*>& adapters;
  int64_t layer;
  const StepContext& context;
  const Batch& batch;
  const RopeAngles& angles;
  KvCache* cache;
  const Compute& compute;
  Tensor row_N;

  AdaptedMap map(Slot slot) const { return {weights.packed(slot), adapters[slot]}; }
  /// The slot's vector, trained or frozen; undefined where the layer has none.
  Tensor vector(Slot slot) const { return effective_weight(weights.vector[slot], adapters[slot]); }
  AttentionRule rule() const { return {shape.attention_scale, shape.window}; }
};

/// x_TD is the normed input; queries, keys and values straight from it.
Tensor attention(const Tensor& x_TD, const AttentionBlock& block);

/// Maps of one input, each plus its bias (Slot::q_bias …, where there is one).
std::vector<Tensor> project(const Tensor& x_TD, std::span<const Slot> slots, const AttentionBlock& block);

/// Scaled dot products within each segment, without a cache: (T, A · width of v).
Tensor attend_batch(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGC, const AttentionBlock& block);

/// The output projection of joined heads.
Tensor output_projection(const Tensor& joined_TQ, const AttentionBlock& block);

}  // namespace hellora
