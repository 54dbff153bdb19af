// Starts that a frozen weight gives: its leading singular vectors.
#pragma once

#include "hellora/adapters/lora.h"
#include "hellora/tensor/svd.h"

namespace hellora {

/// The decomposition of the frozen weight of `parameter`. ConfigError names the site whose rank is above its width.
Svd weight_svd(const std::string& parameter, int64_t rank, int64_t iterations, const InitContext& context);

/// ConfigError where a member's rank is above the smaller side of its map.
void require_rank_within(const Site& site, const AdapterConfig& config);

}  // namespace hellora
