#include "hellora/model/attention.h"

#include <array>

#include "hellora/tensor/attention.h"
#include "hellora/tensor/rms_norm.h"

namespace hellora {
namespace {

/// One segment: q (L, A, C), k and v (P, G, C) with P >= L; row i sees positions up to P - L + i.
Tensor attend(const Tensor& q_LAC, const Tensor& k_PGC, const Tensor& v_PGC) {
  const int64_t rows = q_LAC.size(0), past = k_PGC.size(0) - rows;
  std::optional<Tensor> mask;
  const bool causal = past == 0 && rows > 1;
  if (past > 0 && rows > 1) mask = at::ones({rows, past + rows}, at::TensorOptions(at::kBool)).tril(past);
  const auto heads_first = [](const Tensor& x) { return x.transpose(0, 1).unsqueeze(0); };
  const Tensor out = at::scaled_dot_product_attention(heads_first(q_LAC), heads_first(k_PGC), heads_first(v_PGC), mask, 0.0, causal,
                                                      std::nullopt, q_LAC.size(1) != k_PGC.size(1));
  return out.squeeze(0).transpose(0, 1);
}

/// Attention over what the cache holds; no gradients.
Tensor attend_cached(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGC, const Batch& batch, int64_t layer, KvCache& cache) {
  std::vector<Tensor> parts;
  for (const Segment& segment : batch.segments) {
    const auto rows = [&](const Tensor& x) { return x.narrow(0, segment.start, segment.length); };
    const auto [k_all, v_all] = cache.append(layer, segment.sequence, rows(k_TGC), rows(v_TGC));
    parts.push_back(attend(rows(q_TAC), k_all, v_all));
  }
  return at::cat(parts).reshape({q_TAC.size(0), -1});
}

Tensor attend_batch(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGC, const Batch& batch, const Compute& compute) {
  std::vector<Stretch> documents;
  for (const Segment& segment : batch.segments) documents.push_back({segment.start, segment.length});
  return attend_documents(q_TAC, k_TGC, v_TGC, documents, compute);
}

}  // namespace

Tensor attention(const Tensor& x_TD, const LayerWeights& weights, const ModelShape& shape, const AttentionAdapters& adapters, int64_t layer,
                 const StepContext& context, const Batch& batch, const RopeAngles& angles, KvCache* cache, const Compute& compute,
                 const Tensor& row_N) {
  const std::array maps = {adapted_map(weights.q, adapters.q), adapted_map(weights.k, adapters.k), adapted_map(weights.v, adapters.v)};
  const bool low = std::any_of(maps.begin(), maps.end(), [](const LinearMap& map) { return map.low.A_RI.defined(); });
  const Tensor x_low = low ? adapter_input(x_TD, context, layer, Slot::q) : Tensor();  // one mask for q, k, v
  const std::vector<Tensor> qkv = linear(x_TD, x_low, maps, compute);
  const auto prepared = [&](const Tensor& x_TW, const Tensor& norm_W, const Adapter* norm) {
    const Tensor y = norm_W.defined() ? rms_norm(x_TW, effective_weight(norm_W, norm), shape.rms_eps, compute) : x_TW;
    return (shape.clip_qkv > 0 ? y.clamp(-shape.clip_qkv, shape.clip_qkv) : y).view({x_TW.size(0), -1, shape.head_dim});
  };
  const Tensor q_TAC = apply_rope(prepared(qkv[0], weights.q_norm_Q, adapters.q_norm), angles);
  const Tensor k_TGC = apply_rope(prepared(qkv[1], weights.k_norm_K, adapters.k_norm), angles), v_TGC = prepared(qkv[2], {}, nullptr);
  Tensor joined =
      cache == nullptr ? attend_batch(q_TAC, k_TGC, v_TGC, batch, compute) : attend_cached(q_TAC, k_TGC, v_TGC, batch, layer, *cache);
  if (row_N.defined()) joined = joined.index_select(0, row_N);
  const Tensor o_low = adapters.o != nullptr ? adapter_input(joined, context, layer, Slot::o, row_N) : Tensor();
  return adapted_linear(joined, weights.o, adapters.o, o_low, compute);
}

}  // namespace hellora
