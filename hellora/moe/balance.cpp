#include "hellora/moe/balance.h"

#include "hellora/core/error.h"

namespace hellora {
namespace {

/// E · Σ_e f[e] · P[e] over rows of probabilities and choices.
Tensor imbalance(const Tensor& probs_NE, const Tensor& ids_NK) {
  const int64_t experts = probs_NE.size(1);
  const Tensor count_E = at::bincount(ids_NK.reshape({-1}), {}, experts).to(probs_NE.scalar_type());
  const Tensor share_E = count_E / static_cast<double>(ids_NK.size(0));
  const Tensor mean_E = probs_NE.mean(0);
  return (share_E * mean_E).sum(0) * static_cast<double>(experts);  // E values: too few for the order to depend on threads
}

}  // namespace

Tensor load_balancing_loss(std::span<const Routing> layers) {
  HELLORA_CHECK(!layers.empty(), "a balance loss needs at least one routed layer");
  std::vector<Tensor> logits, ids;
  for (const Routing& routing : layers) {
    logits.push_back(routing.logits_TE);
    ids.push_back(routing.ids_TK);
  }
  // Σ_slot f[slot, e] needs only how often e was chosen at all.
  return imbalance(at::softmax(at::cat(logits), -1), at::cat(ids));
}

Tensor balance_loss(Balance kind, std::span<const Routing> layers, std::span<const SequenceRows> sequences) {
  if (kind == Balance::pooled) return load_balancing_loss(layers);
  HELLORA_CHECK(!layers.empty(), "a balance loss needs at least one routed layer");
  Tensor total;
  for (const Routing& routing : layers) {
    const Tensor probs_TE = at::softmax(routing.logits_TE, -1);
    const SequenceRows whole{0, probs_TE.size(0)};
    const auto parts = kind == Balance::per_sequence ? sequences : std::span(&whole, 1);
    HELLORA_CHECK(!parts.empty(), "a balance loss per sequence needs sequences");
    const auto scale = 1.0 / static_cast<double>(routing.ids_TK.size(1)) / static_cast<double>(parts.size());
    for (const SequenceRows& rows : parts) {
      const Tensor one = imbalance(probs_TE.narrow(0, rows.start, rows.length), routing.ids_TK.narrow(0, rows.start, rows.length)) * scale;
      total = total.defined() ? total + one : one;
    }
  }
  return total;
}

}  // namespace hellora
