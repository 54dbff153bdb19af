#include "hellora/adapters/plan.h"

#include "hellora/core/error.h"

namespace hellora {
namespace {

constexpr const char* kFormat = "hellora.plan/1";

LayerPlan layer_from_json(const Json& json, const std::string& where) {
  LayerPlan layer;
  layer.layer = int_member(json, "layer", where);
  layer.coverage = double_or(json, "coverage", 0, where);
  const std::string place = where + ", layer " + std::to_string(layer.layer);
  const auto experts = ints_member(json, "experts", place);
  const Json& ranks = member(json, "ranks", place);
  if (!ranks.is_array() || ranks.size() != experts.size()) throw FormatError(place + ": \"ranks\" must list one rank (or null) per expert");
  for (size_t i = 0; i < experts.size(); ++i) {
    if (experts[i] < 0 || (i > 0 && experts[i] <= experts[i - 1])) throw FormatError(place + ": \"experts\" must be ascending ids from 0");
    const bool given = !ranks[i].is_null();
    if (given && (!ranks[i].is_number_integer() || ranks[i].get<int64_t>() < 1)) {
      throw FormatError(place + ": rank of expert " + std::to_string(experts[i]) + " must be null or at least 1");
    }
    layer.experts.push_back({experts[i], given ? ranks[i].get<int64_t>() : 0});
  }
  return layer;
}

}  // namespace

std::span<const HotExpert> Plan::experts(int64_t layer) const {
  for (const LayerPlan& one : layers) {
    if (one.layer == layer) return one.experts;
  }
  return {};
}

Json plan_to_json(const Plan& plan) {
  Json json;
  json["format"] = kFormat;
  json["policy"] = plan.policy;
  json["arguments"] = plan.arguments;
  if (plan.base_rank > 0) json["base_rank"] = plan.base_rank;
  json["profile_hash"] = plan.profile_hash;
  json["model_hash"] = plan.model_hash;
  json["layers"] = Json::array();
  for (const LayerPlan& layer : plan.layers) {
    Json one{{"layer", layer.layer}, {"experts", Json::array()}, {"ranks", Json::array()}, {"coverage", layer.coverage}};
    for (const HotExpert& hot : layer.experts) {
      one["experts"].push_back(hot.expert);
      one["ranks"].push_back(hot.rank > 0 ? Json(hot.rank) : Json());
    }
    json["layers"].push_back(std::move(one));
  }
  return json;
}

Plan plan_from_json(const Json& json, const std::string& where) {
  if (string_member(json, "format", where) != kFormat) {
    throw FormatError(where + ": format \"" + string_member(json, "format", where) + "\" is not \"" + kFormat + "\"");
  }
  Plan plan;
  plan.policy = string_or(json, "policy", "given", where);
  if (has(json, "arguments")) plan.arguments = json["arguments"];
  if (has(json, "base_rank")) plan.base_rank = int_member(json, "base_rank", where);
  if (has(json, "base_rank") && (plan.base_rank < 1 || plan.base_rank > 65536))
    throw FormatError(where + ": \"base_rank\" must lie between 1 and 65536");
  plan.profile_hash = string_or(json, "profile_hash", "", where);
  plan.model_hash = string_or(json, "model_hash", "", where);
  const Json& layers = member(json, "layers", where);
  if (!layers.is_array()) throw FormatError(where + ": \"layers\" must be an array");
  for (const Json& layer : layers) {
    plan.layers.push_back(layer_from_json(layer, where));
    const size_t n = plan.layers.size();
    if (plan.layers.back().layer < 0 || (n > 1 && plan.layers[n - 1].layer <= plan.layers[n - 2].layer)) {
      throw FormatError(where + ": \"layers\" must be ascending layer numbers from 0");
    }
  }
  return plan;
}

Plan read_plan(const Path& path) { return plan_from_json(parse_json(read_text(path), path.string()), path.string()); }

void write_plan(const Path& path, const Plan& plan) { write_text_atomic(path, plan_to_json(plan).dump(1) + "\n"); }

}  // namespace hellora
