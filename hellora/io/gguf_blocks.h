// The values of quantised blocks, by the layouts of ggml's file format; every product and sum is rounded to fp32, as its reference does.
#pragma once

#include <cstddef>
#include <span>

#include "hellora/io/gguf_types.h"

namespace hellora {

/// `values` takes the elements of whole blocks; `bytes` are exactly theirs.
void dequantise(GgufType type, std::span<const std::byte> bytes, std::span<float> values);

/// IEEE half precision, subnormals included.
float widen_half(uint16_t half);

}  // namespace hellora
