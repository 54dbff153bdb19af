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
kernels::Packed random_matrix(FrozenWeights& arena, int64_t out, int64_t in, kernels::Store store, uint64_t seed) {
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
      if (store == kernels::Store::bf16) {
        static_cast<uint16_t*>(data)[i] = kernels::round_bf16(value);
      } else {
        static_cast<float*>(data)[i] = value;
      }
    }
  }
  return packed;
}

/// The bonus on the logits of hot experts at which they take `share` of the top-k slots, for normal logits of deviation `noise`.
double bonus_for(const ModelShape& s, int64_t hot, double share, double noise, uint64_t seed) {
  constexpr int kDraws = 400;
  const auto taken = [&](double bonus) {
    int64_t inside = 0;
    std::vector<std::pair<double, int64_t>> logits(static_cast<size_t>(s.experts));
    for (int draw = 0; draw < kDraws; ++draw) {
      for (int64_t e = 0; e < s.experts; ++e) {
        const RngKey key = make_key(seed, hash_text("bench routing"), draw);
        double sum = -6;  // twelve uniform numbers: nearly normal
        for (uint64_t i = 0; i < 12; ++i) sum += unit_double(key, static_cast<uint64_t>(e) * 12 + i);
        logits[static_cast<size_t>(e)] = {-(noise * sum + (e < hot ? bonus : 0)), e};
      }
      std::partial_sort(logits.begin(), logits.begin() + s.router.top_k, logits.end());
      for (int64_t k = 0; k < s.router.top_k; ++k) inside += logits[static_cast<size_t>(k)].second < hot ? 1 : 0;
    }
    return static_cast<double>(inside) / static_cast<double>(kDraws * s.router.top_k);
  };
  double low = 0, high = 10;
  for (int i = 0; i < 14; ++i) (taken((low + high) / 2) < share ? low : high) = (low + high) / 2;
  return (low + high) / 2;
}

/// Small random logits, and `bonus` times the constant feature for the first `hot` experts.
Tensor steering_router(const ModelShape& s, int64_t layer, int64_t hot, double bonus, const WeightDtypes& dtypes, uint64_t seed) {
  Tensor router = at::empty({s.experts, s.hidden}, at::TensorOptions(dtypes.compute));
  for (int64_t i = 0; i < router.numel(); ++i) {
    router.data_ptr<float>()[i] = static_cast<float>(
        (2 * unit_double(make_key(seed, hash_text("bench router"), layer), static_cast<uint64_t>(i)) - 1) * kDeviation * std::sqrt(3.0));
  }
  router.select(1, 0).fill_(0);
  if (bonus > 0) router.select(1, 0).narrow(0, 0, hot).fill_(bonus);
  return router;
}

}  // namespace

ModelWeights synthetic_weights(const ModelShape& s, const WeightDtypes& dtypes, int64_t hot, double share, uint64_t seed) {
  const kernels::Store stored = store_of(dtypes.stored), wide = store_of(dtypes.compute);
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
  const double bonus = share > 0 && hot > 0 && hot < s.experts ? bonus_for(s, hot, share, noise, seed) : 0;
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
    if (s.routed(layer)) one.moe.router = w.arena.add(steering_router(s, layer, hot, bonus / constant, dtypes, seed), wide);
    w.layers.push_back(std::move(one));
  }
  w.final_norm_D = ones(s.hidden);
  w.lm_head = matrix(s.vocab, s.hidden);
  return w;
}

}  // namespace hellora
