// What a forward pass knows about its place in training: enough to derive every random number it needs.
#pragma once

#include <cstdint>

#include "hellora/adapters/site.h"
#include "hellora/core/rng.h"

namespace hellora {

struct StepContext {
  bool train = false;  // dropout is active
  double dropout = 0;  // on adapter inputs
  uint64_t seed = 0;
  int64_t phase = 0;  // warm-up profile, training, …
  int64_t step = 0, micro = 0;

  bool drops() const { return train && dropout > 0; }
  /// One key per (step, micro-batch, layer, input). `input` is the first slot that reads that input: q for q, k, v; gate for gate, up.
  RngKey key(int64_t layer, Slot input) const { return make_key(seed, phase, step, micro, layer, static_cast<int64_t>(input)); }
};

}  // namespace hellora
