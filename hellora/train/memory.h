// Memory: what a run will need, and what it took.
#pragma once

#include <cstdint>
#include <string>

#include "hellora/model/decoder.h"

namespace hellora {

int64_t resident_bytes();       // now
int64_t peak_resident_bytes();  // since the start of the process (VmHWM)
int64_t machine_bytes();        // installed memory, or less where a container may have only so much
std::string machine_text();     // of machine_bytes: "the machine has 23.50 GiB"

struct Forecast {
  int64_t weights = 0, adapters = 0, activations = 0, program = 0;
  int64_t total() const { return weights + adapters + activations + program; }
};

/// What decides the memory of a run beside the model's shape.
struct TrainingNeeds {
  int64_t weights = 0;         // bytes, see weight_bytes
  int64_t trainable = 0;       // elements of the flat state
  int64_t frozen = 0;          // elements of the adapter that do not train
  int64_t step_bytes = 0;      // that the method keeps for each trained element
  int64_t kept = 0;            // bytes that it keeps beside
  int64_t tokens = 0;          // of a micro-batch
  int64_t adapted_layers = 0;  // from the lowest adapted one up
  int64_t saved_bytes = 4;     // per saved activation
  int64_t operand_bytes = 4;   // per element that enters a product
  double composed_share = 0;   // of the routed rows that an adapter takes, where experts are composed of grouped products
  bool dropout = false;
  bool recompute = false;
};

/// Peak of a training run.
Forecast forecast_training(const ModelShape& shape, const TrainingNeeds& needs);
/// Bytes of all frozen weights kept as `stored` (matrices) bytes per element.
int64_t weight_bytes(const ModelShape& shape, int64_t stored);

}  // namespace hellora
