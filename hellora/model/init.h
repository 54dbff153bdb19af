// Random-weight checkpoints in hub layout, one tensor at a time.
#pragma once

#include "hellora/core/json.h"
#include "hellora/io/files.h"
#include "hellora/model/shape.h"

namespace hellora {

/// Writes config.json and model.safetensors (bf16, or fp32): matrices and biases normal with `deviation`, norms one. Values are a
/// function of (seed, tensor name). Keys of `more` that the family does not write (eos_token_id, …) join config.json.
void init_model(const ModelShape& shape, const Path& out, uint64_t seed, bool fp32, double deviation = 0.02,
                const Json& more = Json::object());

}  // namespace hellora
