// Selection policies: from a profile (facts) to a plan (decision). A table, one row each.
#pragma once

#include <span>
#include <string_view>

#include "hellora/adapters/plan.h"
#include "hellora/select/config.h"
#include "hellora/select/profile.h"

namespace hellora {

struct Policy {
  std::string_view name, summary;
  /// Experts per profile layer, each ascending. `k` is the resolved number of experts per layer.
  std::vector<std::vector<int64_t>> (*choose)(const Profile& profile, const SelectConfig& config, int64_t k, uint64_t seed);
};

std::span<const Policy> policies();
const Policy& find_policy(const std::string& name);

/// "auto" (the architecture's default, given), "12" or "25%" (rounded up) of the experts. ConfigError out of range.
int64_t resolve_k(const std::string& text, int64_t auto_k, int64_t experts);

/// The plan with coverage per layer, its arguments and hashes. `rank` 0 leaves ranks open; select.rank_by coverage needs it
/// (ConfigError otherwise) and shares it out, see share_ranks.
Plan select_experts(const Profile& profile, const SelectConfig& config, int64_t auto_k, uint64_t seed, int64_t rank = 0);

/// Share of the routed slots that the experts take in the layer.
double coverage_of(const LayerProfile& layer, std::span<const int64_t> experts);

/// How many of the k busiest experts of one half of the data are among those of the other, as a share of k.
double split_half_overlap(const LayerProfile& layer, int64_t k);

}  // namespace hellora
