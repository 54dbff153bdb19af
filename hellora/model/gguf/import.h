// A GGUF file as a Hugging Face model folder.
#pragma once

#include <cstdint>
#include <string>

#include "hellora/io/files.h"

namespace hellora {

struct GgufImport {
  std::string architecture, model_type;
  int64_t tensors = 0;     // that were written
  int64_t parameters = 0;  // elements of them
};

/// Writes config.json, generation_config.json, the tokenizer's files and model.safetensors into `folder`, then reads config and
/// tokenizer as every command does. FormatError, before the weights are written, for anything that is not understood.
GgufImport import_gguf(const Path& path, const Path& folder, bool fp32);

}  // namespace hellora
