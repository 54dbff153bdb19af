// Ranks by heat: a layer's rank budget, shared out among its chosen experts in proportion to their load.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hellora {

/// Ranks whose sum is exactly loads.size() x rank: each expert's share of all loads, rounded by the largest remainder (ties to
/// the earlier one), none below 1. Equal ranks where nothing was counted. `rank` is at least 1, loads are not negative.
std::vector<int64_t> share_ranks(std::span<const int64_t> loads, int64_t rank);

}  // namespace hellora
