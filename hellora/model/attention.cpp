#include "hellora/model/attention.h"

#include <array>
#include <cmath>

#include "hellora/tensor/rms_norm.h"

namespace hellora {
namespace {

/// Which of P positions each of the last L rows sees: those up to its own, at most `window` of them (0: all).
Tensor visible(int64_t rows, int64_t positions, int64_t window) {
  const int64_t past = positions - rows;
  const Tensor mask = at::ones({rows, positions}, at::TensorOptions(at::kBool)).tril(past);
  return window > 0 ? mask.triu(past - window + 1) : mask;
}

/// One segment: q (L, A, C), k and v (P, G, C) with P >= L; row i sees positions up to P - L + i.
Tensor attend(const Tensor& q_LAC, Tensor k_PGC, Tensor v_PGC, const AttentionRule& rule) {
  const int64_t rows = q_LAC.size(0);
  if (rows == 1 && rule.window > 0 && k_PGC.size(0) > rule.window) {
    k_PGC = k_PGC.narrow(0, k_PGC.size(0) - rule.window, rule.window);
    v_PGC = v_PGC.narrow(0, v_PGC.size(0) - rule.window, rule.window);
  }
  const int64_t positions = k_PGC.size(0);
  std::optional<Tensor> mask;
  const bool causal = positions == rows && rows > 1 && (rule.window == 0 || rows <= rule.window);
  if (rows > 1 && !causal) mask = visible(rows, positions, rule.window);
  const auto heads_first = [](const Tensor& x) { return x.transpose(0, 1).unsqueeze(0); };
  const Tensor out =
      at::scaled_dot_product_attention(heads_first(q_LAC), heads_first(k_PGC), heads_first(v_PGC), mask, 0.0, causal,
                                       rule.scale > 0 ? std::optional(rule.scale) : std::nullopt, q_LAC.size(1) != k_PGC.size(1));
  return out.squeeze(0).transpose(0, 1);
}

/// Attention over what the cache holds; no gradients.
Tensor attend_cached(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGC, const AttentionBlock& block) {
  std::vector<Tensor> parts;
  for (const Segment& segment : block.batch.segments) {
    const auto rows = [&](const Tensor& x) { return x.narrow(0, segment.start, segment.length); };
    const auto [k_all, v_all] = block.cache->append(block.layer, segment.sequence, rows(k_TGC), rows(v_TGC));
    parts.push_back(attend(rows(q_TAC), k_all, v_all, block.rule()));
  }
  return at::cat(parts).reshape({q_TAC.size(0), -1});
}

}  // namespace

std::vector<Tensor> project(const Tensor& x_TD, std::span<const Slot> slots, const AttentionBlock& block) {
  std::vector<AdaptedMap> maps;
  for (const Slot slot : slots) maps.push_back(block.map(slot));
  const bool adapted = std::any_of(maps.begin(), maps.end(), [](const AdaptedMap& map) { return map.adapter != nullptr; });
  const Tensor x_low = adapted ? adapter_input(x_TD, block.context, block.layer, slots[0]) : Tensor();  // one mask for all of them
  std::vector<Tensor> out = adapted_linear(x_TD, x_low, maps, block.compute);
  constexpr std::pair<Slot, Slot> kBiases[] = {{Slot::q, Slot::q_bias}, {Slot::k, Slot::k_bias}, {Slot::v, Slot::v_bias}};
  for (size_t i = 0; i < slots.size(); ++i) {
    for (const auto& [slot, bias] : kBiases) {
      if (slot == slots[i] && block.weights.vector[bias].defined()) out[i] = out[i] + block.vector(bias);
    }
  }
  return out;
}

Tensor attend_batch(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGC, const AttentionBlock& block) {
  std::vector<RowRange> documents;
  for (const Segment& segment : block.batch.segments) documents.push_back({segment.start, segment.length});
  return attend_documents(q_TAC, k_TGC, v_TGC, documents, block.compute, block.rule());
}

Tensor output_projection(const Tensor& joined_TQ, const AttentionBlock& block) {
  const Tensor rows = block.row_N.defined() ? joined_TQ.index_select(0, block.row_N) : joined_TQ;
  const Adapter* adapter = block.adapters[Slot::o];
  const Tensor low = adapter != nullptr ? adapter_input(rows, block.context, block.layer, Slot::o, block.row_N) : Tensor();
  const Tensor y = adapted_linear(rows, low, block.map(Slot::o), block.compute);
  return block.weights.vector[Slot::o_bias].defined() ? y + block.vector(Slot::o_bias) : y;
}

Tensor attention(const Tensor& x_TD, const AttentionBlock& block) {
  constexpr std::array kQkv = {Slot::q, Slot::k, Slot::v};
  const ModelShape& shape = block.shape;
  const std::vector<Tensor> qkv = project(x_TD, kQkv, block);
  const auto heads = [&](const Tensor& x_TW) { return x_TW.view({x_TW.size(0), -1, shape.head_dim}); };
  const auto clamped = [&](const Tensor& x) { return shape.clip_qkv > 0 ? x.clamp(-shape.clip_qkv, shape.clip_qkv) : x; };
  const auto normed = [&](const Tensor& x_TW, Slot norm) {
    switch (shape.qk_norm) {
      case QkNorm::none: return heads(clamped(x_TW));
      case QkNorm::whole: return heads(clamped(rms_norm(x_TW, block.vector(norm), shape.rms_eps, block.compute)));
      case QkNorm::per_head: return clamped(rms_norm(heads(x_TW), block.vector(norm), shape.rms_eps, block.compute));
    }
    return x_TW;
  };
  const Tensor q_TAC = apply_rope(normed(qkv[0], Slot::q_norm), block.angles);
  const Tensor k_TGC = apply_rope(normed(qkv[1], Slot::k_norm), block.angles), v_TGC = heads(clamped(qkv[2]));
  return output_projection(block.cache == nullptr ? attend_batch(q_TAC, k_TGC, v_TGC, block) : attend_cached(q_TAC, k_TGC, v_TGC, block),
                           block);
}

}  // namespace hellora
