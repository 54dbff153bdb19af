// The rope keys of config.json: rope_theta and rope_scaling (transformers 4), rope_parameters (5), type or rope_type inside.
#include <array>

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/model/config_reader.h"

namespace hellora {
namespace {

struct TypeName {
  std::string_view name;
  RopeType type;
};
constexpr auto kTypes = std::to_array<TypeName>(
    {{"default", RopeType::plain}, {"linear", RopeType::linear}, {"llama3", RopeType::llama3}, {"yarn", RopeType::yarn}});

RopeType find_type(const std::string& name, const std::string& place) {
  std::vector<std::string> known;
  for (const TypeName& one : kTypes) {
    if (one.name == name) return one.type;
    known.emplace_back(one.name);
  }
  throw FormatError(place + ": rope type \"" + name + "\" is not supported; expected one of " + join(known, ", "));
}

constexpr int64_t kMaxPositions = int64_t{1} << 30;
constexpr double kMaxTheta = 1e15, kMaxFactor = 1e6;

void read_llama3(JsonObject& json, RopeRule& rule) {
  rule.low_factor = json.positive_or("low_freq_factor", 1, kMaxFactor);
  rule.high_factor = json.positive_or("high_freq_factor", 4, kMaxFactor);
  if (!(rule.high_factor > rule.low_factor)) throw FormatError(json.where() + ": high_freq_factor must exceed low_freq_factor");
}

void read_yarn(JsonObject& json, RopeRule& rule) {
  rule.beta_fast = json.positive_or("beta_fast", 32, kMaxFactor);
  rule.beta_slow = json.positive_or("beta_slow", 1, kMaxFactor);
  if (!(rule.beta_fast > rule.beta_slow)) throw FormatError(json.where() + ": beta_fast must exceed beta_slow");
  rule.mscale = json.number_or("mscale", 0, 0, kMaxFactor);
  rule.mscale_all_dim = json.number_or("mscale_all_dim", 0, 0, kMaxFactor);
  rule.attention_factor = json.number_or("attention_factor", 0, 0, kMaxFactor);
  rule.scale_scores = json.flag_or("scale_scores", true);
  json.only("truncate", {"true"}, "only true is supported");
}

/// One of rope_scaling and rope_parameters. Keys of a type that is not in force count for nothing, as in transformers; a key that
/// no type has is refused: rope is where two readers disagree without a sign.
void read_scaling(JsonObject json, int64_t max_positions, RopeRule& rule) {
  rule.theta = json.positive_or("rope_theta", rule.theta, kMaxTheta);
  const bool typed = json.has("rope_type") || json.has("type");
  rule.type = find_type(json.text_or("rope_type", json.text_or("type", "default")), json.where());
  if (!typed && json.has("factor")) throw FormatError(json.where() + ": key \"rope_type\" is missing beside \"factor\"");
  json.only("partial_rotary_factor", {"1", "1.0"}, "only 1 is supported");
  if (rule.type != RopeType::plain) {
    rule.factor = json.number("factor", 1, kMaxFactor);
    rule.original_positions = json.integer_or("original_max_position_embeddings", max_positions, 1, kMaxPositions);
  }
  if (rule.type == RopeType::llama3) read_llama3(json, rule);
  if (rule.type == RopeType::yarn) read_yarn(json, rule);
  json.harmless({"factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor", "beta_fast", "beta_slow", "mscale",
                 "mscale_all_dim", "attention_factor", "truncate", "scale_scores", "finetuned"});
  json.finish(Unknown::refuse);
}

}  // namespace

RopeRule read_rope(JsonObject& config, double theta, int64_t max_positions) {
  RopeRule rule;
  rule.theta = config.positive_or("rope_theta", theta, kMaxTheta);
  const Json *scaling = config.find("rope_scaling"), *parameters = config.find("rope_parameters");
  if (scaling != nullptr && parameters != nullptr && *scaling != *parameters)
    throw FormatError(config.where() + ": keys \"rope_scaling\" and \"rope_parameters\" contradict each other");
  if (scaling != nullptr) read_scaling(JsonObject(*scaling, config.where() + ": rope_scaling"), max_positions, rule);
  if (parameters != nullptr) read_scaling(JsonObject(*parameters, config.where() + ": rope_parameters"), max_positions, rule);
  return rule;
}

void write_rope(const RopeRule& rule, Json& config) {
  config["rope_theta"] = rule.theta;
  config["rope_scaling"] = nullptr;
  if (rule.type == RopeType::plain) return;
  Json scaling;
  for (const TypeName& one : kTypes) {
    if (one.type == rule.type) scaling["rope_type"] = std::string(one.name);
  }
  scaling["factor"] = rule.factor;
  scaling["original_max_position_embeddings"] = rule.original_positions;
  if (rule.type == RopeType::llama3) {
    scaling["low_freq_factor"] = rule.low_factor;
    scaling["high_freq_factor"] = rule.high_factor;
  }
  if (rule.type == RopeType::yarn) {
    scaling["beta_fast"] = rule.beta_fast;
    scaling["beta_slow"] = rule.beta_slow;
    if (rule.mscale > 0) scaling["mscale"] = rule.mscale;
    if (rule.mscale_all_dim > 0) scaling["mscale_all_dim"] = rule.mscale_all_dim;
    if (rule.attention_factor > 0) scaling["attention_factor"] = rule.attention_factor;
    if (!rule.scale_scores) scaling["scale_scores"] = false;
  }
  config["rope_scaling"] = std::move(scaling);
}

}  // namespace hellora
