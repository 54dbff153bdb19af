// The whole configuration: sections from their owners, recipes, aliases, precedence.
// Command line > YAML > recipe > architecture row > table default.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "hellora/adapters/config.h"
#include "hellora/data/config.h"
#include "hellora/io/files.h"
#include "hellora/select/config.h"
#include "hellora/train/config.h"

namespace hellora {

struct RunConfig {
  std::string recipe = "none", model, output;
  std::vector<std::string> exports;
  int64_t seed = 0, samples = 1;
  DataConfig data;
  SelectConfig select;
  AdapterConfig adapter;
  TrainConfig train;
  ComputeConfig compute;
  std::set<std::string> given;  // canonical keys that the user set

  RunConfig() = default;
  RunConfig(const RunConfig&) = delete;  // fields() points into the object
  RunConfig& operator=(const RunConfig&) = delete;
};

/// Every declared key; the pointers stay valid as long as the configuration.
Fields config_fields(RunConfig* config);

/// Reads `file` (may be empty) and then `key=value` overrides. ConfigError or FormatError name file and line, or the argument.
void load_config(RunConfig* config, const Path& file, const std::vector<std::string>& overrides);

/// The resolved configuration as YAML, every key on its own line under its section.
std::string config_yaml(RunConfig* config);

/// ConfigError where the method needs data.forget and there is none, or has no use for one that is given.
void check_forget(const RunConfig& config);

/// ConfigError when a key that a command needs is empty.
void require_key(const RunConfig& config, const std::string& key, bool present);

}  // namespace hellora
