// Gates over ranks that are driven to zero: an L1 term on the gradient and a proximal step after each update (SoRA, S2-LoRA).
#pragma once

#include "hellora/adapters/adapter_set.h"

namespace hellora {

struct PruningSettings {
  double l1 = 0;         // weight of the mean of |gate| in the loss
  double threshold = 0;  // of the proximal step
  bool parity = false;   // the released code's form of that step
};

/// sign(g) · max(|g| − threshold, 0). `parity`: the released code's three statements one after the other, which leave nothing between
/// threshold and twice that, but for exact ties.
Tensor shrunk(const Tensor& gates, double threshold, bool parity);

/// Hooks for the trained parameters whose names end in `suffix`.
std::unique_ptr<StepHooks> prune_gates(AdapterSet& adapters, std::string_view suffix, const PruningSettings& settings);

/// adapter.METHOD.l1, .threshold and .parity.
std::vector<Field> pruning_fields(PruningSettings* settings, const std::string& method);

}  // namespace hellora
