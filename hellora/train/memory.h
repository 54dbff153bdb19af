// Memory: what a run will need, and what it took.
#pragma once

#include <cstdint>

#include "hellora/model/decoder.h"

namespace hellora {

int64_t resident_bytes();       // now
int64_t peak_resident_bytes();  // since the start of the process (VmHWM)
int64_t machine_bytes();        // installed memory

struct Forecast {
  int64_t weights = 0, adapters = 0, activations = 0, program = 0;
  int64_t total() const { return weights + adapters + activations + program; }
};

/// Peak of a training run with micro-batches of `tokens` tokens.
Forecast forecast_training(const ModelShape& shape, int64_t weight_bytes, int64_t trainable, int64_t tokens, int64_t adapted_layers);
/// Bytes of all frozen weights kept as `stored` (matrices) bytes per element.
int64_t weight_bytes(const ModelShape& shape, int64_t stored);

}  // namespace hellora
