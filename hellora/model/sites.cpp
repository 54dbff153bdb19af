#include "hellora/model/sites.h"

#include <algorithm>
#include <set>

#include "hellora/adapters/method.h"
#include "hellora/adapters/targets.h"
#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/model/slots.h"

namespace hellora {
namespace {

/// An embedding whose weight itself is trained is (V, H): rows are the vocabulary.
Site make_site(const ModelShape& shape, Slot slot, int64_t layer, bool whole) {
  auto [in, out] = slot_sizes(shape, slot);
  if (slot == Slot::embed && whole) std::swap(in, out);
  return {layer, slot, in, out, {}};
}

/// The alpha that gives an expert of this rank the scale that the plan's own rank has; 0 (adapter.alpha) where ranks share no budget.
double own_alpha(const AdapterConfig& config, const Plan& plan, const HotExpert& hot) {
  if (plan.base_rank == 0 || hot.rank == 0) return 0;
  const double share = static_cast<double>(hot.rank) / static_cast<double>(plan.base_rank);
  return config.alpha * config.rank_factor(share);
}

void check_plan(const ModelShape& shape, const AdapterConfig& config, const Plan& plan, bool rank_given) {
  if (rank_given && plan.base_rank > 0 && plan.base_rank != config.rank) {
    throw ConfigError("plan: its ranks share a budget of " + std::to_string(plan.base_rank) + " per expert but adapter.rank is " +
                      std::to_string(config.rank) + "; give one of them");
  }
  for (const LayerPlan& layer : plan.layers) {
    if (layer.layer >= shape.layers) {
      throw ConfigError("plan: layer " + std::to_string(layer.layer) + " does not exist; the model has layers 0 to " +
                        std::to_string(shape.layers - 1));
    }
    if (!shape.routed(layer.layer) && !layer.experts.empty()) {
      throw ConfigError("plan: layer " + std::to_string(layer.layer) + " is dense in this model; only layers with a router have experts");
    }
    for (const HotExpert& hot : layer.experts) {
      if (hot.expert >= shape.experts) {
        throw ConfigError("plan: layer " + std::to_string(layer.layer) + " names expert " + std::to_string(hot.expert) +
                          "; the model has experts 0 to " + std::to_string(shape.experts - 1));
      }
      if (hot.rank > 0 && plan.base_rank == 0 && rank_given && hot.rank != config.rank) {
        throw ConfigError("plan: layer " + std::to_string(layer.layer) + ", expert " + std::to_string(hot.expert) + " has rank " +
                          std::to_string(hot.rank) + " but adapter.rank is " + std::to_string(config.rank) + "; give one of them");
      }
    }
  }
}

}  // namespace

std::vector<std::string> resolve_targets(const ModelShape& shape, const AdapterConfig& config) {
  if (config.targets == std::vector<std::string>{"auto"}) return split(find_arch(shape.arch, "adapter.targets").targets, ' ');
  std::vector<std::string> out;
  const auto add = [&](const std::string& target) {
    if (std::find(out.begin(), out.end(), target) == out.end()) out.push_back(target);
  };
  for (const std::string& target : config.targets) {
    if (target == kAllLinear) {
      for (const std::string& one : linear_targets(shape)) add(one);
    } else {
      add(target);
    }
  }
  return out;
}

std::vector<std::string> linear_targets(const ModelShape& shape) {
  std::vector<std::string> out = every_target(shape);
  std::erase_if(out,
                [](const std::string& target) { return target == "embed" || target == "lm_head" || target == "norm" || target == "bias"; });
  return out;
}

std::vector<std::string> every_target(const ModelShape& shape) {
  std::vector<std::string> out;
  for (const SlotPath& row : find_arch(shape.arch, "adapter.targets").paths) {
    const std::string target(target_of(row.slot));
    if (has_slot(shape, row.slot) && std::find(out.begin(), out.end(), target) == out.end()) out.push_back(target);
  }
  return out;
}

Plan all_experts(const ModelShape& shape) { return first_experts(shape, shape.experts); }

Plan first_experts(const ModelShape& shape, int64_t k) {
  Plan plan;
  plan.policy = "all";
  for (const int64_t layer : routed_layers(shape)) {
    LayerPlan one{layer, {}, 1.0};
    for (int64_t e = 0; e < k; ++e) one.experts.push_back({e, 0});
    plan.layers.push_back(std::move(one));
  }
  return plan;
}

std::vector<Site> find_sites(const ModelShape& shape, const AdapterConfig& config, const Plan& plan, bool rank_given) {
  const Arch& arch = find_arch(shape.arch, "adapter.targets");
  check_plan(shape, config, plan, rank_given);
  const std::vector<std::string> targets = resolve_targets(shape, config);
  std::set<std::string> wanted(targets.begin(), targets.end()), matched;
  const bool whole = !find_method(config.method).makes_adapter;
  std::vector<Site> sites;
  for_each_slot(shape, [&](Slot slot, int64_t layer) {
    const std::string target(target_of(slot));
    if (!wanted.contains(target)) return;
    matched.insert(target);
    Site site = make_site(shape, slot, layer, whole);
    if (is_expert_slot(slot)) {
      for (const HotExpert& hot : plan.experts(layer)) {
        site.members.push_back(
            {hot.expert, hot.rank > 0 ? hot.rank : config.rank, own_alpha(config, plan, hot), module_path(arch, slot, layer, hot.expert)});
      }
    } else {
      site.members.push_back({-1, config.rank, 0, module_path(arch, slot, layer)});
    }
    if (!site.members.empty()) sites.push_back(std::move(site));
  });
  const std::vector<std::string> known = {
      "q", "k", "v", "kv", "o", "router", "gate", "up", "down", "shared", "shared_router", "dense", "embed", "lm_head", "norm", "bias"};
  for (const std::string& target : targets) {
    if (std::find(known.begin(), known.end(), target) == known.end()) {
      const std::string near = nearest_name(target, known);
      throw ConfigError("adapter.targets: unknown target \"" + target + "\"; expected some of " + join(known, " ") +
                        ", all-linear or auto" + (near.empty() ? "" : "; nearest: " + near));
    }
    if (target == "lm_head" && shape.tied_embeddings) {
      throw ConfigError(
          "adapter.targets: \"lm_head\": this model's head is tied to the embedding (tie_word_embeddings) and cannot be "
          "adapted alone; leave it out" +
          std::string(whole ? ", or train embed, which both share" : ""));
    }
    if (!matched.contains(target)) {
      throw ConfigError("adapter.targets: \"" + target + "\" matches nothing in a " + shape.arch + " model; its own are " +
                        std::string(arch.targets));
    }
  }
  return sites;
}

std::string tied_note(const ModelShape& shape, const AdapterConfig& config) {
  const std::vector<std::string> targets = resolve_targets(shape, config);
  const bool embed = std::find(targets.begin(), targets.end(), "embed") != targets.end();
  if (!embed || !shape.tied_embeddings || !find_method(config.method).makes_adapter) return "";
  return "adapter.targets: embed: this model's head is tied to the embedding (tie_word_embeddings), and the adapter changes the embedding "
         "alone: it can be used and exported, but not merged";
}

}  // namespace hellora
