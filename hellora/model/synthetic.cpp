#include "hellora/model/synthetic.h"

#include <algorithm>
#include <cmath>

#include "hellora/core/rng.h"
#include "hellora/kernels/bf16.h"

namespace hellora {
namespace {

constexpr double kDeviation = 0.02;
constexpr double kResidual = 8;  // what the layers add must not drown the constant feature that steers the router

/// Uniform values of the given deviation, in the packed layout: the order of elements does not matter.
kernels::Packed random_matrix(FrozenWeights& arena, int64_t out, int64_t in, kernels::WeightType store, uint64_t seed) {
  const kernels::Packed packed = arena.reserve(out, in, store);
  auto* data = const_cast<void*>(packed.data);
  const int64_t count = packed.panels() * kernels::kPanel * packed.padded_k(), parts = (count + 4095) / 4096;
#pragma omp parallel for schedule(static)
  for (int64_t part = 0; part < parts; ++part) {
    uint64_t state = mix64(seed, static_cast<uint64_t>(part)) | 1;
    for (int64_t i = part * 4096; i < std::min(count, (part + 1) * 4096); ++i) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      const auto value = static_cast<float>((static_cast<double>(state >> 40) * 0x1.0p-23 - 1) * kDeviation * std::sqrt(3.0));
      if (store == kernels::WeightType::bf16) {
        static_cast<uint16_t*>(data)[i] = kernels::round_bf16(value);
      } else {
        static_cast<float*>(data)[i] = value;
      }
    }
  }
  return packed;
}

/// What must be added to each expert's logit, normal with deviation `noise`, for it to be in the top k as often as `share_E` says.
/// Found by repeated simulation: the routing of a step is measured, not assumed.
std::vector<double> bonuses_for(const ModelShape& s, const std::vector<double>& share_E, double noise, uint64_t seed) {
  constexpr int kDraws = 1000, kRounds = 60;
  const auto experts = static_cast<size_t>(s.experts);
  std::vector<double> drawn(kDraws * experts), bonus_E(experts, 0.0);
  for (size_t i = 0; i < drawn.size(); ++i) {
    const RngKey key = make_key(seed, hash_text("bench routing"), static_cast<int64_t>(i));
    double sum = -6;  // twelve uniform numbers: nearly normal
    for (uint64_t u = 0; u < 12; ++u) sum += unit_double(key, u);
    drawn[i] = noise * sum;
  }
  std::vector<std::pair<double, size_t>> logits(experts);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<double> taken_E(experts, 0.0);
    for (size_t draw = 0; draw < kDraws; ++draw) {
      for (size_t e = 0; e < experts; ++e) logits[e] = {-(drawn[draw * experts + e] + bonus_E[e]), e};
      std::partial_sort(logits.begin(), logits.begin() + s.router.top_k, logits.end());
      for (size_t k = 0; k < static_cast<size_t>(s.router.top_k); ++k) taken_E[logits[k].second] += 1.0;
    }
    constexpr double kFloor = 1e-3;  // of a share: rarer than what the draws can tell
    for (size_t e = 0; e < experts; ++e) {
      const double own = taken_E[e] / (kDraws * static_cast<double>(s.router.top_k));
      bonus_E[e] = std::clamp(bonus_E[e] + 0.5 * noise * std::log((share_E[e] + kFloor) / (own + kFloor)), -10.0, 10.0);
    }
  }
  return bonus_E;
}

/// Small random logits, and each expert's bonus times the constant feature.
Tensor steering_router(const ModelShape& s, int64_t layer, const std::vector<double>& bonus_E, const WeightDtypes& dtypes, uint64_t seed) {
  Tensor router = at::empty({s.experts, s.hidden}, at::TensorOptions(dtypes.compute));
  for (int64_t i = 0; i < router.numel(); ++i) {
    router.data_ptr<float>()[i] = static_cast<float>(
        (2 * unit_double(make_key(seed, hash_text("bench router"), layer), static_cast<uint64_t>(i)) - 1) * kDeviation * std::sqrt(3.0));
  }
  for (int64_t e = 0; e < s.experts; ++e) {
    router.data_ptr<float>()[e * s.hidden] = bonus_E.empty() ? 0.0F : static_cast<float>(bonus_E[static_cast<size_t>(e)]);
  }
  return router;
}

}  // namespace

ModelWeights synthetic_weights(const ModelShape& s, const WeightDtypes& dtypes, const SyntheticRouting& routing, uint64_t seed) {
  const kernels::WeightType stored = store_of(dtypes.stored), wide = store_of(dtypes.compute);
  ModelWeights w;
  w.arena = FrozenWeights(packed_bytes(s, stored, wide));
  uint64_t next = seed * 1000003;
  const auto matrix = [&](int64_t out, int64_t in) { return random_matrix(w.arena, out, in, stored, ++next); };
  const auto ones = [&](int64_t n) { return at::ones({n}, at::TensorOptions(dtypes.compute)); };
  // Half of a row's square sum lies in feature 0: after the norm it is a constant, sqrt(D/2).
  Tensor embed = at::empty({s.vocab, s.hidden}, at::TensorOptions(at::kFloat));
  for (int64_t v = 0; v < s.vocab; ++v) {
    float* row = embed.data_ptr<float>() + v * s.hidden;
    uint64_t state = mix64(seed, static_cast<uint64_t>(v)) | 1;
    for (int64_t i = 0; i < s.hidden; ++i) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      row[i] = static_cast<float>((static_cast<double>(state >> 40) * 0x1.0p-23 - 1) * std::sqrt(3.0));
    }
    row[0] = std::sqrt(static_cast<float>(s.hidden));
  }
  embed.mul_(kResidual);
  w.embed_VD = embed.to(dtypes.stored);
  const double constant = std::sqrt(static_cast<double>(s.hidden) / 2), noise = kDeviation * constant;
  std::vector<std::vector<double>> bonuses;
  for (const std::vector<double>& share_E : routing.shares) {
    bonuses.push_back(bonuses_for(s, share_E, noise, seed));
    for (double& bonus : bonuses.back()) bonus /= constant;
  }
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    LayerWeights one;
    for (const Slot slot : layer_slots()) {
      if (!has_slot(s, slot, layer)) continue;
      const auto [in, out] = slot_sizes(s, slot);
      if (is_vector_slot(slot)) {
        one.vector[slot] = is_bias_slot(slot) ? at::zeros({out}, at::TensorOptions(dtypes.compute)) : ones(out);
      } else if (is_expert_slot(slot)) {
        auto& bank = slot == Slot::gate ? one.moe.gate : slot == Slot::up ? one.moe.up : one.moe.down;
        for (int64_t e = 0; e < s.experts; ++e) bank.push_back(matrix(out, in));
      } else if (slot != Slot::router) {
        one.packed(slot) = slot == Slot::shared_router ? random_matrix(w.arena, out, in, wide, ++next) : matrix(out, in);
      }
    }
    if (s.routed(layer))
      one.moe.router = w.arena.add(
          steering_router(s, layer, bonuses.empty() ? std::vector<double>() : bonuses[static_cast<size_t>(layer) % bonuses.size()], dtypes,
                          seed),
          wide);
    w.layers.push_back(std::move(one));
  }
  w.final_norm_D = ones(s.hidden);
  w.lm_head = matrix(s.vocab, s.hidden);
  return w;
}

}  // namespace hellora
