// `inspect --data`: records as the model sees them.
#pragma once

#include <string>
#include <vector>

#include "hellora/data/config.h"

namespace hellora {

struct InspectData {
  std::vector<std::string> files;
  std::string model;
  int64_t shown = 3;
  DataConfig data;
};

/// Prints the first rows token by token, supervised ones marked, and how long all rows are.
void inspect_data(const InspectData& options, bool json);

}  // namespace hellora
