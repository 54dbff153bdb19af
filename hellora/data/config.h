// The `data` section of the configuration.
#pragma once

#include "hellora/core/config.h"

namespace hellora {

struct DataConfig {
  std::vector<std::string> train, eval;
  std::string format = "auto";
  int64_t max_length = 512;
  std::string too_long = "skip";
  bool packing = true;
  std::string train_on = "completion";
  std::string chat_template = "auto";
};

std::vector<Field> data_fields(DataConfig* config);

}  // namespace hellora
