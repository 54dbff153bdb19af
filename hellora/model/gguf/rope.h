// Rope as a GGUF file tells it: keys for linear and YaRN, a tensor of factors for Llama 3.
#pragma once

#include "hellora/io/gguf.h"
#include "hellora/model/shape.h"

namespace hellora {

/// The tensor of factors, where a file has one.
inline constexpr const char* kRopeFactors = "rope_freqs.weight";

/// FormatError names a kind of rope, or factors, that no family here has.
RopeRule read_gguf_rope(GgufFile& file, const std::string& prefix, const ModelShape& shape);

}  // namespace hellora
