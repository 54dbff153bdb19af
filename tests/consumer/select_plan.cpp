// Chooses the two busiest of six experts from a profile made by hand: a project that uses the library with libtorch.
#include <iostream>

#include "hellora/select/policy.h"

int main() {
  hellora::Profile profile;
  profile.model_type = "olmoe";
  profile.model_hash = "0123456789abcdef";
  profile.mode = "base";
  profile.tokens_counted = "all";
  profile.data = {"rows.jsonl"};
  profile.data_hash = "fedcba9876543210";
  profile.tokens = 15;
  profile.experts = 6;
  profile.top_k = 2;
  profile.layers.push_back({0, 15, {5, 9, 8, 1, 0, 7}, {4.0, 2.0, 3.0, 0.5, 0.0, 5.5}, {{5, 4, 4, 0, 0, 2}, {0, 5, 4, 1, 0, 5}}});
  hellora::SelectConfig config;
  config.policy = "hot";
  config.k = "2";
  for (const hellora::LayerPlan& layer : hellora::select_experts(profile, config, 2, 0).layers) {
    for (const hellora::HotExpert& hot : layer.experts) std::cout << layer.layer << ":" << hot.expert << "\n";
  }
  return 0;
}
