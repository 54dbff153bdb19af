// adapter_config.json in PEFT's terms: every key is used, changes nothing, or is refused by name.
#pragma once

#include "hellora/adapters/adapter_set.h"
#include "hellora/io/files.h"
#include "hellora/model/name_patterns.h"

namespace hellora {

/// What we read of it.
struct PeftConfig {
  int64_t rank = 8;
  double alpha = 8, dropout = 0;
  bool rslora = false;  // use_rslora
  NamePatterns rank_pattern, alpha_pattern;
  std::vector<std::string> target_parameters;  // parameters that are adapted as such: "mlp.experts.down_proj"
  std::string base;                            // base_model_name_or_path; may be empty

  /// The method, rank, alpha and dropout that it means.
  AdapterConfig settings() const;
  /// Rank and alpha of the module or parameter at this path.
  int64_t rank_of(const std::string& path) const;
  double alpha_of(const std::string& path) const;
  /// Whether target_parameters names the parameter of this path.
  bool targets(const std::string& parameter) const;
};

/// FormatError for a type other than LORA, a number out of range, an initialisation that changed the base, and keys that change
/// the result and are not supported or not known. What only says which modules are adapted is not needed: the tensors tell.
PeftConfig parse_peft_config(const Json& config, const std::string& where);
/// The same from FOLDER/adapter_config.json.
PeftConfig read_peft_config(const Path& folder);

/// Keys that every type has in PEFT.
Json tuner_config(std::string_view type, const std::string& base_path, const std::vector<std::string>& target_modules);
/// A LoRA's, which every PEFT since 0.10 reads without a word.
Json peft_config(const AdapterConfig& config, const std::string& base_path, const std::vector<std::string>& target_modules);

}  // namespace hellora
