// The `adapter` section of the configuration.
#pragma once

#include <string>
#include <vector>

#include "hellora/core/config.h"

namespace hellora {

struct AdapterConfig {
  std::string method = "lora";
  int64_t rank = 32;
  double alpha = 64;
  double dropout = 0.0;
  bool rslora = false;  // scale alpha / sqrt(rank) instead of alpha / rank
  std::vector<std::string> targets = {"auto"};

  /// Factor of B·A for a pair of this rank; `own_alpha` 0 means adapter.alpha.
  double scale(int64_t member_rank, double own_alpha = 0) const;
};

std::vector<Field> adapter_fields(AdapterConfig* config);

}  // namespace hellora
