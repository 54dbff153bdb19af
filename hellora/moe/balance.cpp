#include "hellora/moe/balance.h"

#include "hellora/core/error.h"

namespace hellora {

Tensor load_balancing_loss(std::span<const Routing> layers) {
  HELLORA_CHECK(!layers.empty(), "a balance loss needs at least one routed layer");
  std::vector<Tensor> logits, ids;
  for (const Routing& routing : layers) {
    logits.push_back(routing.logits_TE);
    ids.push_back(routing.ids_TK);
  }
  const Tensor probs_NE = at::softmax(at::cat(logits), -1), ids_NK = at::cat(ids);
  const int64_t experts = probs_NE.size(1);
  // Σ_slot f[slot, e] needs only how often e was chosen at all.
  const Tensor count_E = at::bincount(ids_NK.reshape({-1}), {}, experts).to(probs_NE.scalar_type());
  const Tensor share_E = count_E / static_cast<double>(ids_NK.size(0));
  const Tensor mean_E = probs_NE.mean(0);
  return (share_E * mean_E).sum(0) * static_cast<double>(experts);  // E values: too few for the order to depend on threads
}

}  // namespace hellora
