#include "hellora/model/peft_config.h"

#include <regex>

#include "hellora/core/error.h"

namespace hellora {
namespace {

std::vector<std::pair<std::string, double>> read_patterns(const Json& config, const char* key, const std::string& where) {
  std::vector<std::pair<std::string, double>> out;
  if (!has(config, key)) return out;
  for (const auto& [pattern, value] : member(config, key, where).items()) {
    if (!value.is_number()) throw FormatError(where + ": " + key + " of \"" + pattern + "\" must be a number");
    out.emplace_back(pattern, value.get<double>());
  }
  return out;
}

/// True for null, false, an empty container, "none" and 0: the values that change nothing.
bool inert(const Json& value) {
  return value.is_null() || value == false || value == "none" || value == 0 || ((value.is_array() || value.is_object()) && value.empty());
}

}  // namespace

PeftConfig parse_peft_config(const Json& config, const std::string& where) {
  const std::string type = string_member(config, "peft_type", where);
  if (type != "LORA") throw FormatError(where + ": peft_type \"" + type + "\" is not supported; expected \"LORA\"");
  for (const char* key : {"use_dora", "lora_bias", "layer_replication", "modules_to_save", "fan_in_fan_out", "use_qalora", "use_bdlora",
                          "bias", "trainable_token_indices", "target_parameters", "arrow_config", "alora_invocation_tokens", "kasa_config",
                          "velora_config", "monteclora_config"}) {
    if (config.contains(key) && !inert(config[key])) {
      throw FormatError(where + ": " + key + " is " + config[key].dump() + "; hellora reads adapters without it");
    }
  }
  PeftConfig out;
  out.rank = int_or(config, "r", 8, where);
  out.alpha = double_or(config, "lora_alpha", 8, where);
  out.dropout = double_or(config, "lora_dropout", 0, where);
  out.rslora = bool_or(config, "use_rslora", false, where);
  out.rank_pattern = read_patterns(config, "rank_pattern", where);
  out.alpha_pattern = read_patterns(config, "alpha_pattern", where);
  if (out.rank < 1 || !(out.alpha > 0)) throw FormatError(where + ": r and lora_alpha must be positive");
  return out;
}

double pattern_value(const std::vector<std::pair<std::string, double>>& patterns, const std::string& path, double fallback) {
  for (const auto& [pattern, value] : patterns) {
    try {
      if (std::regex_match(path, std::regex("(.*\\.)?(" + pattern + ")"))) return value;
    } catch (const std::regex_error&) {
      throw FormatError("adapter_config.json: \"" + pattern + "\" is not a regular expression");
    }
  }
  return fallback;
}

Json peft_config(const AdapterConfig& config, const std::string& base_path, const std::vector<std::string>& target_modules) {
  const bool whole = config.alpha == static_cast<double>(static_cast<int64_t>(config.alpha));
  return Json{{"alpha_pattern", Json::object()},
              {"auto_mapping", nullptr},
              {"base_model_name_or_path", base_path},
              {"bias", "none"},
              {"fan_in_fan_out", false},
              {"inference_mode", true},
              {"init_lora_weights", true},
              {"layers_pattern", nullptr},
              {"layers_to_transform", nullptr},
              {"lora_alpha", whole ? Json(static_cast<int64_t>(config.alpha)) : Json(config.alpha)},
              {"lora_dropout", config.dropout},
              {"modules_to_save", nullptr},
              {"peft_type", "LORA"},
              {"r", config.rank},
              {"rank_pattern", Json::object()},
              {"revision", nullptr},
              {"target_modules", target_modules},
              {"task_type", "CAUSAL_LM"},
              {"use_dora", false},
              {"use_rslora", config.rslora}};
}

}  // namespace hellora
