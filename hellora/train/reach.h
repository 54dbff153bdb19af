// Which rows of a micro-batch can influence the loss at all: positions up to the last supervised one of their document.
#pragma once

#include <vector>

#include "hellora/data/packing.h"

namespace hellora {

struct Reach {
  std::vector<uint8_t> reaches_T;     // through attention of a later row, or itself supervised
  std::vector<uint8_t> supervised_T;  // what the last layer's rows need to be
  int64_t reaching = 0, supervised = 0;
};

Reach find_reach(const PackedBatch& batch);

}  // namespace hellora
