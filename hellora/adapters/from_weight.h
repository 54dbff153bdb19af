// Starts that a frozen weight gives: its leading singular vectors.
#pragma once

#include "hellora/adapters/lora.h"
#include "hellora/tensor/svd.h"

namespace hellora {

/// The decomposition of the frozen weight of `parameter`. ConfigError names the site whose rank is above its width.
Svd weight_svd(const std::string& parameter, int64_t rank, int64_t iterations, const InitContext& context);

/// How the tensors of ΔW = scale · B R A start, for the weight of a parameter; B and R may read A, which has this name.
struct SquareStart {
  std::function<Init(const std::string& parameter)> A;
  std::function<Init(const std::string& parameter, const std::string& a)> B, R;
};

/// A and B frozen, R (rank, rank) trained, under PATH.PREFIX_A, _B and _R.
std::vector<ParamSpec> square_params(std::span<const Site> sites, const AdapterConfig& config, const std::string& prefix,
                                     const SquareStart& start);
std::unique_ptr<Adapter> make_square(const Site& site, const AdapterConfig& config, const Lookup& param, const std::string& prefix);

/// ConfigError where a member's rank is above the smaller side of its map.
void require_rank_within(const Site& site, const AdapterConfig& config);

}  // namespace hellora
