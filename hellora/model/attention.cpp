#include "hellora/model/attention.h"

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

Tensor prepared(Tensor x_TW, const Tensor& norm_W, const Adapter* norm, const ModelShape& shape) {
  if (norm_W.defined()) x_TW = rms_norm(x_TW, effective_weight(norm_W, norm), shape.rms_eps);
  return shape.clip_qkv > 0 ? x_TW.clamp(-shape.clip_qkv, shape.clip_qkv) : x_TW;
}

}  // namespace

Tensor attention(const Tensor& x_TD, const LayerWeights& weights, const ModelShape& shape, const AttentionAdapters& adapters, int64_t layer,
                 const StepContext& context, const Batch& batch, const RopeAngles& angles, KvCache* cache) {
  const bool adapted = adapters.q != nullptr || adapters.k != nullptr || adapters.v != nullptr;
  const Tensor x_low = adapted ? adapter_input(x_TD, context, layer, Slot::q) : Tensor();  // one mask for q, k, v
  const auto split = [&](const Tensor& x_TW) { return x_TW.view({x_TW.size(0), -1, shape.head_dim}); };
  const Tensor q_TW = prepared(adapted_linear(x_TD, weights.q_QD, adapters.q, x_low), weights.q_norm_Q, adapters.q_norm, shape);
  const Tensor k_TW = prepared(adapted_linear(x_TD, weights.k_KD, adapters.k, x_low), weights.k_norm_K, adapters.k_norm, shape);
  const Tensor v_TW = prepared(adapted_linear(x_TD, weights.v_KD, adapters.v, x_low), {}, nullptr, shape);
  const Tensor q_TAC = apply_rope(split(q_TW), angles), k_TGC = apply_rope(split(k_TW), angles), v_TGC = split(v_TW);

  std::vector<Tensor> parts;
  for (const Segment& segment : batch.segments) {
    const auto rows = [&](const Tensor& x) { return x.narrow(0, segment.start, segment.length); };
    if (cache == nullptr) {
      parts.push_back(attend(rows(q_TAC), rows(k_TGC), rows(v_TGC)));
    } else {
      const auto [k_all, v_all] = cache->append(layer, segment.sequence, rows(k_TGC), rows(v_TGC));
      parts.push_back(attend(rows(q_TAC), k_all, v_all));
    }
  }
  const Tensor joined = at::cat(parts).reshape({x_TD.size(0), shape.q_width()});
  const Tensor o_low = adapters.o != nullptr ? adapter_input(joined, context, layer, Slot::o) : Tensor();
  return adapted_linear(joined, weights.o_DQ, adapters.o, o_low);
}

}  // namespace hellora
