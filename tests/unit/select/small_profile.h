// A profile of two layers, six experts, two choices per token, small enough to select from by hand.
#pragma once

#include "hellora/select/policy.h"
#include "tests/support/helpers.h"
#include "tests/support/tensors.h"

namespace hellora::testing {

using Ids = std::vector<int64_t>;

inline Profile small_profile() {
  Profile profile;
  profile.model_type = "olmoe";
  profile.model_hash = "0123456789abcdef";
  profile.mode = "base";
  profile.tokens_counted = "all";
  profile.data = {"a.jsonl", "b.jsonl"};
  profile.data_hash = "fedcba9876543210";
  profile.tokens = 15;
  profile.experts = 6;
  profile.top_k = 2;
  profile.layers.push_back({0, 15, {5, 9, 9, 1, 0, 6}, {4.0, 2.0, 3.0, 0.5, 0.0, 5.5}, {{5, 4, 5, 0, 0, 2}, {0, 5, 4, 1, 0, 4}}});
  profile.layers.push_back({1, 15, {10, 2, 2, 10, 4, 2}, {1.0, 1.0, 6.0, 1.0, 5.0, 1.0}, {{4, 2, 0, 5, 2, 1}, {6, 0, 2, 5, 2, 1}}});
  return profile;
}

inline std::vector<Ids> chosen(const SelectConfig& config, uint64_t seed = 0, const Profile& profile = small_profile()) {
  std::vector<Ids> out;
  for (const LayerPlan& layer : select_experts(profile, config, profile.top_k, seed).layers) {
    out.emplace_back();
    for (const HotExpert& hot : layer.experts) out.back().push_back(hot.expert);
  }
  return out;
}

inline SelectConfig selecting(const std::string& policy, const std::string& k = "auto") {
  SelectConfig config;
  config.policy = policy;
  config.k = k;
  return config;
}

}  // namespace hellora::testing
