// The `select` section of the configuration.
#pragma once

#include "hellora/core/config.h"

namespace hellora {

struct SelectConfig {
  std::string plan;             // a given plan.json; empty: profile and select
  std::string mode = "warmup";  // how the profile is taken
  double fraction = 0.10;       // of the training data
  std::string tokens = "all";   // which tokens count
  int64_t max_tokens = 0;       // stop after so many; 0: the fraction
  std::string policy = "hot";
  std::string k = "auto";  // experts per layer: auto, a number, or "25%"
  double coverage = 0.5;
  int64_t min_k = 1, max_k = 0;
  std::string rank_by = "uniform";  // one rank for all, or a layer's ranks shared out by load
};

std::vector<Field> select_fields(SelectConfig* config);

}  // namespace hellora
