// What the methods share whose change is scale · B A with one pair per member, in PEFT's names.
#pragma once

#include "hellora/adapters/method.h"

namespace hellora {

/// One pair per member: A Kaiming, B zero; for an embedding A (R, V) zero and B (H, R) normal, as PEFT stores them. `a` is what
/// becomes of A. ConfigError for a vector, which has no low-rank form.
std::vector<ParamSpec> pair_params(std::span<const Site> sites, const AdapterConfig& config, Use a);

/// The adapter of such pairs.
std::unique_ptr<Adapter> make_pairs(const Site& site, const AdapterConfig& config, const Lookup& param);

/// Names of a member's pair.
std::string name_of_A(const Site& site, size_t member);
std::string name_of_B(const Site& site, size_t member);

/// ConfigError names the target where the site is a vector (a norm, a bias): no linear map.
void require_linear(const Site& site);
/// The same for an embedding too: where a factor does not train, or starts from the weight, its pair of another form makes no sense.
void require_matrix(const Site& site, const AdapterConfig& config);
/// ConfigError where a plan gives members ranks of their own: the method's shared tensors have one.
void require_one_rank(const Site& site, const AdapterConfig& config);
/// ConfigError where adapter.dropout is set and the method has none.
void require_no_dropout(const AdapterConfig& config);

}  // namespace hellora
