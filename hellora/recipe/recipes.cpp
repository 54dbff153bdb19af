#include "hellora/recipe/recipes.h"

namespace hellora {

std::span<const Recipe> recipes() {
  // hellora: the placement of arXiv 2605.18795 with the hyperparameters of its independent replication.
  static const std::vector<Recipe> table = {
      {"none", {}},
      {"lora", {{"select.policy", "all"}, {"adapter.dropout", "0.05"}, {"adapter.alpha", "64"}}},
      {"hellora", {{"select.policy", "hot"}, {"select.mode", "warmup"}, {"adapter.dropout", "0.05"}, {"adapter.alpha", "64"}}},
      // hellori: the same placement with LoRI's factors and rates (arXiv 2504.07448: 5e-5 dense, 5e-4 sparse, no dropout).
      {"hellori",
       {{"select.policy", "hot"}, {"select.mode", "warmup"}, {"adapter.method", "lori"}, {"adapter.alpha", "64"}, {"train.lr", "0.0005"}}},
  };
  return table;
}

}  // namespace hellora
