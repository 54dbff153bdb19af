#include "hellora/recipe/recipes.h"

namespace hellora {

std::span<const Recipe> recipes() {
  // hellora: the placement of arXiv 2605.18795 with the hyperparameters of its independent replication.
  static const std::vector<Recipe> table = {
      {"none", {}},
      {"lora", {{"select.policy", "all"}, {"adapter.dropout", "0.05"}, {"adapter.alpha", "64"}}},
      {"hellora", {{"select.policy", "hot"}, {"select.mode", "warmup"}, {"adapter.dropout", "0.05"}, {"adapter.alpha", "64"}}},
  };
  return table;
}

}  // namespace hellora
