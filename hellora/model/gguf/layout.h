// What a GGUF file says about its model, as a shape of our own families; and what is done with the keys that nobody reads.
#pragma once

#include "hellora/io/gguf.h"
#include "hellora/model/shape.h"

namespace hellora {

/// A family as llama.cpp names it.
struct GgufLayout {
  std::string_view architecture;  // general.architecture
  std::string_view model_type;    // row of our architecture table
  std::string_view routed_type;   // the same for files with experts; empty: model_type
  bool permuted = false;          // rows of q and k are stored as pairs (2j, 2j + 1) of a head
  void (*read)(GgufFile& file, const std::string& prefix, ModelShape& shape);
};

/// FormatError names an architecture that is not read, and those that are.
const GgufLayout& find_gguf_layout(GgufFile& file);
/// FormatError names a key that is missing, out of range, contradicts a tensor, or would change the result and is not supported.
ModelShape read_gguf_shape(GgufFile& file, const GgufLayout& layout);
/// Keys that nobody asked for: of the architecture FormatError, for they would change the result; others are warned of once.
void meet_other_gguf_keys(GgufFile& file, const GgufLayout& layout);

/// Rows and columns of a tensor that must be there.
const GgufTensor& gguf_tensor(const GgufFile& file, const std::string& name);

}  // namespace hellora
