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

double positive(const Json& json, std::string_view key, double fallback, const std::string& place) {
  const double value = double_or(json, key, fallback, place);
  if (!(value > 0)) throw FormatError(place + ": " + std::string(key) + " must be positive");
  return value;
}

/// One of rope_scaling and rope_parameters.
void read_scaling(const Json& json, int64_t max_positions, const std::string& place, RopeRule& rule) {
  if (!json.is_object()) throw FormatError(place + ": expected an object or null");
  rule.theta = positive(json, "rope_theta", rule.theta, place);
  rule.type = find_type(string_or(json, "rope_type", string_or(json, "type", "default", place), place), place);
  if (double_or(json, "partial_rotary_factor", 1, place) != 1) throw FormatError(place + ": partial_rotary_factor must be 1");
  if (rule.type == RopeType::plain) return;
  member(json, "factor", place);
  rule.factor = positive(json, "factor", 1, place);
  if (rule.factor < 1) throw FormatError(place + ": factor must be at least 1");
  rule.original_positions = int_or(json, "original_max_position_embeddings", max_positions, place);
  if (rule.original_positions < 1) throw FormatError(place + ": original_max_position_embeddings must be positive");
  if (rule.type == RopeType::llama3) {
    rule.low_factor = positive(json, "low_freq_factor", 1, place);
    rule.high_factor = positive(json, "high_freq_factor", 4, place);
    if (rule.high_factor <= rule.low_factor) throw FormatError(place + ": high_freq_factor must exceed low_freq_factor");
  }
  if (rule.type == RopeType::yarn) {
    rule.beta_fast = positive(json, "beta_fast", 32, place);
    rule.beta_slow = positive(json, "beta_slow", 1, place);
    if (rule.beta_fast <= rule.beta_slow) throw FormatError(place + ": beta_fast must exceed beta_slow");
    rule.mscale = double_or(json, "mscale", 0, place);
    rule.mscale_all_dim = double_or(json, "mscale_all_dim", 0, place);
    rule.attention_factor = double_or(json, "attention_factor", 0, place);
    if (rule.mscale < 0 || rule.mscale_all_dim < 0 || rule.attention_factor < 0)
      throw FormatError(place + ": mscale, mscale_all_dim and attention_factor must not be negative");
    rule.scale_scores = bool_or(json, "scale_scores", true, place);
  }
}

}  // namespace

RopeRule read_rope(const Json& config, int64_t max_positions, const std::string& where) {
  RopeRule rule;
  rule.theta = positive(config, "rope_theta", 10000, where);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (has(config, key)) read_scaling(config[key], max_positions, where + ": " + key, rule);
  }
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
