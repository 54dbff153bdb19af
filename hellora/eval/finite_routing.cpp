#include "hellora/eval/finite_routing.h"

#include "hellora/core/error.h"

namespace hellora {

void FiniteRouting::on_route(int64_t layer, const Routing& routing) {
  const Tensor bad_TE = at::logical_not(at::isfinite(routing.logits_TE.detach()));
  if (!bad_TE.any().item<bool>()) return;
  const auto element = bad_TE.flatten().to(at::kByte).argmax().item<int64_t>();
  throw CheckFailed("layer " + std::to_string(layer) + ": the router's logits of row " + std::to_string(element / bad_TE.size(1)) +
                    " of the pass are not finite");
}

}  // namespace hellora
