// R: width of the latent; N, P and V: widths of a head without position, with it, and of its values.
#include "hellora/model/latent_attention.h"

#include <array>
#include <cmath>

#include "hellora/tensor/rms_norm.h"

namespace hellora {
namespace {

constexpr double kLatentEps = 1e-6;  // of the latents' norms: the authors' class default, whatever the config says

/// Queries (T, A, N + P), their last P turned by position.
Tensor queries(const Tensor& q_TQ, const AttentionBlock& block) {
  const LatentShape& l = block.shape.latent;
  const Tensor q_TAC = q_TQ.view({q_TQ.size(0), block.shape.heads, l.nope + l.rope});
  return at::cat({q_TAC.narrow(2, 0, l.nope), apply_rope(q_TAC.narrow(2, l.nope, l.rope), block.angles)}, 2);
}

struct Latent {
  Tensor latent_TR;  // normed
  Tensor rope_T1P;   // turned; all heads share it
};

Latent latent_of(const Tensor& kv_TW, const AttentionBlock& block) {
  const LatentShape& l = block.shape.latent;
  const Tensor latent = rms_norm(kv_TW.narrow(1, 0, l.kv_rank).contiguous(), block.vector(Slot::kv_a_norm), kLatentEps, block.compute);
  return {latent, apply_rope(kv_TW.narrow(1, l.kv_rank, l.rope).unsqueeze(1), block.angles)};
}

/// Keys and values spread out to all heads, and ordinary attention among the rows of this pass.
Tensor attend_spread(const Tensor& q_TAC, const Latent& latent, const AttentionBlock& block) {
  const LatentShape& l = block.shape.latent;
  const int64_t heads = block.shape.heads;
  constexpr std::array kSlot = {Slot::kv_b};
  const Tensor kv_TAW = project(latent.latent_TR, kSlot, block)[0].view({-1, heads, l.nope + l.value});
  const Tensor k_TAC = at::cat({kv_TAW.narrow(2, 0, l.nope), latent.rope_T1P.expand({-1, heads, -1})}, 2);
  return attend_batch(q_TAC, k_TAC, kv_TAW.narrow(2, l.nope, l.value), block);
}

/// kv_b with what adapts it, as (A, N + V, R).
Tensor spreading_weight(const AttentionBlock& block) {
  const LatentShape& l = block.shape.latent;
  const Adapter* adapter = block.adapters[Slot::kv_b];
  Tensor w_OI = dense(block.weights.packed(Slot::kv_b));
  if (adapter != nullptr) w_OI = adapter->adapted_rows(w_OI, 0, 0);
  return w_OI.view({block.shape.heads, l.nope + l.value, l.kv_rank});
}

/// One segment over its cached latents: queries go into the space of latents, so that keys and values are never spread out.
Tensor attend_latents(const Tensor& q_LAC, const Tensor& latent_PR, const Tensor& rope_PP, const Tensor& w_AWR,
                      const AttentionBlock& block) {
  const LatentShape& l = block.shape.latent;
  const int64_t rows = q_LAC.size(0), positions = latent_PR.size(0);
  const double scale =
      block.shape.attention_scale > 0 ? block.shape.attention_scale : 1 / std::sqrt(static_cast<double>(block.shape.head_dim));
  const Tensor q_ALC = q_LAC.transpose(0, 1);
  const Tensor q_ALR = at::matmul(q_ALC.narrow(2, 0, l.nope), w_AWR.narrow(1, 0, l.nope));
  Tensor score_ALP = at::matmul(q_ALR, latent_PR.t()) + at::matmul(q_ALC.narrow(2, l.nope, l.rope), rope_PP.t());
  const Tensor hidden = at::ones({rows, positions}, at::TensorOptions(at::kBool)).triu(positions - rows + 1);
  score_ALP = (score_ALP * scale).masked_fill(hidden, -INFINITY);
  const Tensor mixed_ALR = at::matmul(at::softmax(score_ALP, -1), latent_PR);
  return at::matmul(mixed_ALR, w_AWR.narrow(1, l.nope, l.value).transpose(1, 2)).transpose(0, 1).reshape({rows, -1});
}

/// Attention over what the cache holds; no gradients. A first pass has only its own rows.
Tensor attend_cached(const Tensor& q_TAC, const Latent& latent, const AttentionBlock& block) {
  KvCache& cache = *block.cache;
  bool fresh = true;
  std::vector<std::pair<Tensor, Tensor>> held;
  for (const Segment& segment : block.batch.segments) {
    const auto rows = [&](const Tensor& x) { return x.narrow(0, segment.start, segment.length); };
    held.push_back(cache.append(block.layer, segment.sequence, rows(latent.latent_TR.unsqueeze(1)), rows(latent.rope_T1P)));
    fresh = fresh && held.back().first.size(0) == segment.length;
  }
  if (fresh) return attend_spread(q_TAC, latent, block);
  Tensor& w_AWR = cache.layer_weight(block.layer);
  if (!w_AWR.defined()) w_AWR = spreading_weight(block);
  std::vector<Tensor> parts;
  for (size_t i = 0; i < held.size(); ++i) {
    const Segment& segment = block.batch.segments[i];
    const auto& [latent_P1R, rope_P1P] = held[i];
    parts.push_back(
        attend_latents(q_TAC.narrow(0, segment.start, segment.length), latent_P1R.squeeze(1), rope_P1P.squeeze(1), w_AWR, block));
  }
  return at::cat(parts);
}

}  // namespace

Tensor latent_attention(const Tensor& x_TD, const AttentionBlock& block) {
  const bool narrow_queries = block.shape.latent.q_rank > 0;
  const std::array slots = {narrow_queries ? Slot::q_a : Slot::q, Slot::kv_a};
  std::vector<Tensor> first = project(x_TD, slots, block);
  if (narrow_queries) {
    constexpr std::array kSlot = {Slot::q_b};
    first[0] = project(rms_norm(first[0], block.vector(Slot::q_a_norm), kLatentEps, block.compute), kSlot, block)[0];
  }
  const Tensor q_TAC = queries(first[0], block);
  const Latent latent = latent_of(first[1], block);
  return output_projection(block.cache == nullptr ? attend_spread(q_TAC, latent, block) : attend_cached(q_TAC, latent, block), block);
}

}  // namespace hellora
