// The plan: which experts of which layers are adapted, and with which rank. Selection writes it, adapters read it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/io/files.h"

namespace hellora {

struct HotExpert {
  int64_t expert = 0;
  int64_t rank = 0;  // 0: the method's rank
};

struct LayerPlan {
  int64_t layer = 0;               // decoder layer number
  std::vector<HotExpert> experts;  // ascending ids
  double coverage = 0;             // share of the routed slots that they take in the profile; 0 when unknown
};

/// Layers that are not listed have no adapted expert.
struct Plan {
  std::vector<LayerPlan> layers;  // ascending
  std::string policy;             // "hot", …, "given"
  Json arguments = Json::object();
  int64_t base_rank = 0;  // of plans whose ranks share a budget: alpha goes with an expert's rank, so that all have the scale of this rank
  std::string profile_hash, model_hash;

  std::span<const HotExpert> experts(int64_t layer) const;
};

Json plan_to_json(const Plan& plan);
/// Reads and checks plan.json: ascending layers, ascending distinct experts, ranks null or positive.
Plan plan_from_json(const Json& json, const std::string& where);
Plan read_plan(const Path& path);
void write_plan(const Path& path, const Plan& plan);

}  // namespace hellora
