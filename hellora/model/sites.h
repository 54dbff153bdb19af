// The sites of a model for given targets and plan: what the user's words mean on this architecture.
#pragma once

#include "hellora/adapters/config.h"
#include "hellora/adapters/plan.h"
#include "hellora/model/arch.h"

namespace hellora {

/// Sites in a fixed order (layer by layer). ConfigError: a target that matches nothing or is unknown, a plan that names
/// a layer or expert the model lacks, a plan rank that contradicts adapter.rank (`rank_given`).
std::vector<Site> find_sites(const ModelShape& shape, const AdapterConfig& config, const Plan& plan, bool rank_given = false);

/// `auto` replaced by the architecture's row, `all-linear` by linear_targets.
std::vector<std::string> resolve_targets(const ModelShape& shape, const AdapterConfig& config);

/// What a user should know before training an adapter on the embedding of a model whose head is tied to it; "" where nothing is.
std::string tied_note(const ModelShape& shape, const AdapterConfig& config);
/// Every linear map of the layers, the router included: all but embeddings, head, norms and biases.
std::vector<std::string> linear_targets(const ModelShape& shape);

/// Every target that the model has, norms, biases, embeddings and head included.
std::vector<std::string> every_target(const ModelShape& shape);

/// Every expert of every routed layer.
Plan all_experts(const ModelShape& shape);

/// The first k experts of every routed layer: for counting and measuring, where it does not matter which ones.
Plan first_experts(const ModelShape& shape, int64_t k);

}  // namespace hellora
