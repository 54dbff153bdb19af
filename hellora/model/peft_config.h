// adapter_config.json in PEFT's terms.
#pragma once

#include <map>

#include "hellora/adapters/adapter_set.h"
#include "hellora/core/json.h"

namespace hellora {

/// What we read of it. Patterns map a regular expression on the module path to a rank or alpha.
struct PeftConfig {
  int64_t rank = 8;
  double alpha = 8, dropout = 0;
  bool rslora = false;
  std::vector<std::pair<std::string, double>> rank_pattern, alpha_pattern;  // in file order: the first match wins
};

/// FormatError for a type other than LORA and for options that change the result and are not supported.
PeftConfig parse_peft_config(const Json& config, const std::string& where);

/// The value of the first pattern that matches the module path, else `fallback` (PEFT: `(.*\.)?(pattern)$`).
double pattern_value(const std::vector<std::pair<std::string, double>>& patterns, const std::string& path, double fallback);

/// The keys that every PEFT since 0.10 reads without a word.
Json peft_config(const AdapterConfig& config, const std::string& base_path, const std::vector<std::string>& target_modules);

}  // namespace hellora
