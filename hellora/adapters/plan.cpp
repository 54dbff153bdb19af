#include "hellora/adapters/plan.h"

#include "hellora/core/error.h"
#include "hellora/core/json_object.h"
#include "hellora/core/json_text.h"
#include "hellora/core/printable.h"

namespace hellora {
namespace {

constexpr const char* kFormat = "hellora.plan/1";

constexpr int64_t kMaxLayers = 4096, kMaxExperts = 65536, kMaxRank = 65536;  // as the configuration and config.json bound them

LayerPlan layer_from_json(const Json& json, const std::string& where) {
  LayerPlan layer;
  layer.layer = JsonObject(json, where).integer("layer", 0, kMaxLayers - 1);
  JsonObject object(json, where + ", layer " + std::to_string(layer.layer));
  const std::string& place = object.where();
  layer.coverage = object.number_or("coverage", 0, 0, 1 + 1e-6);  // a quotient of sums may round up
  const auto experts = object.integers("experts", 0, kMaxExperts - 1);
  const Json& ranks = object.at("ranks");
  if (!ranks.is_array() || ranks.size() != experts.size()) throw FormatError(place + ": \"ranks\" must list one rank (or null) per expert");
  for (size_t i = 0; i < experts.size(); ++i) {
    if (i > 0 && experts[i] <= experts[i - 1]) throw FormatError(place + ": \"experts\" must be ascending ids from 0");
    const std::string name = "rank of expert " + std::to_string(experts[i]);
    const Json one{{name, ranks[i]}};
    layer.experts.push_back({experts[i], JsonObject(one, place).integer_or(name, 0, 1, kMaxRank)});
  }
  object.harmless({"layer"});
  object.finish(Unknown::refuse);
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
  JsonObject object(json, where);
  if (object.text("format") != kFormat) {
    throw FormatError(where + ": format \"" + printable(object.text("format")) + "\" is not \"" + kFormat + "\"");
  }
  Plan plan;
  plan.policy = object.text_or("policy", "given");
  if (const Json* arguments = object.find("arguments")) plan.arguments = *arguments;
  if (!plan.arguments.is_object()) throw FormatError(where + ": \"arguments\" must be an object");
  if (object.find("base_rank") != nullptr) plan.base_rank = object.integer("base_rank", 1, kMaxRank);
  plan.profile_hash = object.text_or("profile_hash", "");
  plan.model_hash = object.text_or("model_hash", "");
  const Json& layers = object.at("layers");
  if (!layers.is_array()) throw FormatError(where + ": \"layers\" must be an array");
  for (const Json& layer : layers) {
    plan.layers.push_back(layer_from_json(layer, where));
    const size_t n = plan.layers.size();
    if (n > 1 && plan.layers[n - 1].layer <= plan.layers[n - 2].layer) {
      throw FormatError(where + ": \"layers\" must be ascending layer numbers from 0");
    }
  }
  object.finish(Unknown::refuse);
  return plan;
}

Plan read_plan(const Path& path) { return plan_from_json(parse_json(read_text(path), path.string()), path.string()); }

void write_plan(const Path& path, const Plan& plan) { write_text_atomic(path, dump_json(plan_to_json(plan), 1) + "\n"); }

}  // namespace hellora
