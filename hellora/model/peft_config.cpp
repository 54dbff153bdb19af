#include "hellora/model/peft_config.h"

#include <algorithm>
#include <cctype>

#include "hellora/core/error.h"
#include "hellora/core/json_object.h"
#include "hellora/core/printable.h"
#include "hellora/io/files.h"

namespace hellora {
namespace {

constexpr int64_t kMaxRank = int64_t{1} << 20;
constexpr double kMaxAlpha = 1e12;

/// Each makes ΔW more, or other, than scale · B A, or is a switch that hellora does not know to be off.
constexpr std::string_view kOther[] = {"use_dora",
                                       "lora_bias",
                                       "layer_replication",
                                       "modules_to_save",
                                       "fan_in_fan_out",
                                       "use_qalora",
                                       "use_bdlora",
                                       "bias",
                                       "arrow_config",
                                       "kasa_config",
                                       "alora_invocation_tokens",
                                       "trainable_token_indices",
                                       "velora_config",
                                       "megatron_config",
                                       "monteclora_config",
                                       "enable_lora",
                                       "merge_weights",
                                       "ensure_weight_tying"};

/// Which modules are adapted, how training began, and notes: the tensors tell the first, and nothing is left of the others.
constexpr std::string_view kHarmless[] = {"target_modules",   "exclude_modules", "layers_to_transform", "layers_pattern", "task_type",
                                          "auto_mapping",     "revision",        "inference_mode",      "peft_version",   "megatron_core",
                                          "loftq_config",     "eva_config",      "corda_config",        "lora_ga_config", "runtime_config",
                                          "qalora_group_size"};

/// How the factors began matters where the base was changed with them: the file then holds a change from another base.
void check_init(JsonObject& config) {
  constexpr std::string_view kKey = "init_lora_weights";
  const Json* value = config.find(kKey);
  if (value == nullptr || value->is_boolean()) return;
  std::string name = value->is_string() ? value->get<std::string>() : "";
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view moved : {"pissa", "olora", "corda", "loftq"}) {
    if (!name.starts_with(moved)) continue;
    throw FormatError(config.where() + ": key \"" + std::string(kKey) + "\" is \"" + printable(value->get<std::string>()) +
                      "\": this adapter was trained on a base whose weights the initialisation had changed; save it from PEFT as a "
                      "plain LoRA (save_pretrained with path_initial_model_for_weight_conversion)");
  }
  for (const std::string_view kept : {"gaussian", "eva", "orthogonal", "mica", "lora_ga"}) {
    if (name == kept) return;
  }
  config.only(kKey, {}, "expected true, false, \"gaussian\", \"eva\", \"orthogonal\", \"mica\" or \"lora_ga\"");
}

NamePatterns patterns(JsonObject& config, const char* key, double high, bool whole) {
  const Json* found = config.find(key);
  return found == nullptr ? NamePatterns() : NamePatterns(*found, high, whole, config.where() + ": " + key);
}

}  // namespace

AdapterConfig PeftConfig::settings() const {
  AdapterConfig config;
  config.method = rslora ? "rslora" : "lora";
  config.rank = rank;
  config.alpha = alpha;
  config.dropout = dropout;
  return config;
}

int64_t PeftConfig::rank_of(const std::string& path) const {
  const std::optional<double> own = rank_pattern.find(path);
  return own ? static_cast<int64_t>(*own) : rank;
}

double PeftConfig::alpha_of(const std::string& path) const { return alpha_pattern.find(path).value_or(alpha); }

bool PeftConfig::targets(const std::string& parameter) const {
  return std::any_of(target_parameters.begin(), target_parameters.end(),
                     [&](const std::string& one) { return parameter == one || parameter.ends_with("." + one); });
}

PeftConfig parse_peft_config(const Json& json, const std::string& where) {
  JsonObject config(json, where);
  config.choice("peft_type", {"LORA"});
  for (const std::string_view key : kOther) config.refuse(key, "hellora reads adapters without it");
  check_init(config);
  PeftConfig out;
  out.rank = config.integer_or("r", 8, 1, kMaxRank);
  out.alpha = config.positive_or("lora_alpha", 8, kMaxAlpha);
  out.dropout = config.number_or("lora_dropout", 0, 0, 1);
  out.rslora = config.flag_or("use_rslora", false);
  out.rank_pattern = patterns(config, "rank_pattern", static_cast<double>(kMaxRank), true);
  out.alpha_pattern = patterns(config, "alpha_pattern", kMaxAlpha, false);
  if (config.find("target_parameters") != nullptr) out.target_parameters = config.texts("target_parameters");
  out.base = config.text_or("base_model_name_or_path", "");
  for (const std::string_view key : kHarmless) config.harmless({key});
  config.finish(Unknown::refuse);
  return out;
}

PeftConfig read_peft_config(const Path& folder) {
  const std::string where = (folder / "adapter_config.json").string();
  return parse_peft_config(parse_json(read_text(folder / "adapter_config.json"), where), where);
}

Json tuner_config(std::string_view type, const std::string& base_path, const std::vector<std::string>& target_modules) {
  return Json{{"auto_mapping", nullptr},
              {"base_model_name_or_path", base_path},
              {"bias", "none"},
              {"fan_in_fan_out", false},
              {"inference_mode", true},
              {"layers_pattern", nullptr},
              {"layers_to_transform", nullptr},
              {"modules_to_save", nullptr},
              {"peft_type", std::string(type)},
              {"revision", nullptr},
              {"target_modules", target_modules},
              {"task_type", "CAUSAL_LM"}};
}

Json peft_config(const AdapterConfig& config, const std::string& base_path, const std::vector<std::string>& target_modules) {
  const bool whole = config.alpha == static_cast<double>(static_cast<int64_t>(config.alpha));
  Json out = tuner_config("LORA", base_path, target_modules);
  out.update(Json{{"alpha_pattern", Json::object()},
                  {"init_lora_weights", true},
                  {"lora_alpha", whole ? Json(static_cast<int64_t>(config.alpha)) : Json(config.alpha)},
                  {"lora_dropout", config.dropout},
                  {"r", config.rank},
                  {"rank_pattern", Json::object()},
                  {"use_dora", false},
                  {"use_rslora", find_method(config.method).scale == ScaleLaw::root_rank}});
  return out;
}

}  // namespace hellora
