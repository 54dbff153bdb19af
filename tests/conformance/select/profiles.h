// Random routing profiles of many kinds.
#pragma once

#include "hellora/select/policy.h"
#include "tests/support/tensors.h"

namespace hellora::testing {

/// Counts up to `most`: a small one makes ties, 0 makes a layer that nothing was routed to.
inline Profile random_profile(int64_t layers, int64_t experts, int64_t most, uint64_t seed) {
  Profile profile;
  profile.model_type = "olmoe";
  profile.experts = experts;
  profile.top_k = 1;
  for (int64_t l = 0; l < layers; ++l) {
    LayerProfile layer;
    layer.layer = l;
    for (int64_t e = 0; e < experts; ++e) {
      layer.counts.push_back(random_int(0, most, seed, static_cast<uint64_t>(l * experts + e)));
      layer.mass.push_back(0.25 * static_cast<double>(random_int(0, most, seed + 1, static_cast<uint64_t>(l * experts + e))));
      layer.tokens += layer.counts.back();
    }
    layer.counts_half[0] = layer.counts;
    layer.counts_half[1].assign(layer.counts.size(), 0);
    profile.layers.push_back(std::move(layer));
  }
  return profile;
}

inline std::vector<Profile> profiles() {
  std::vector<Profile> all;
  for (uint64_t seed = 1; seed <= 6; ++seed) all.push_back(random_profile(3, 8, seed % 2 == 0 ? 1000 : 3, 10 * seed));
  all.push_back(random_profile(2, 5, 0, 1));
  all.push_back(random_profile(1, 1, 9, 2));
  return all;
}

}  // namespace hellora::testing
