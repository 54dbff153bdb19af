// The tokenizer of a GGUF file as the files of a Hugging Face folder: tokenizer.json, tokenizer_config.json, special_tokens_map.json.
#pragma once

#include <optional>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/io/gguf_values.h"

namespace hellora {

struct GgufTokenizer {
  Json tokenizer, config, special_tokens;
  int64_t tokens = 0;  // the largest id that something has + 1
  std::optional<int64_t> bos, pad;
  std::vector<int64_t> ends;  // eos, then end of turn where it is another one
};

/// Reads `tokenizer.ggml.*` and the chat template: byte-level BPE ("gpt2") and SentencePiece BPE ("llama"). FormatError names what is
/// missing, contradicts itself or is of another kind.
GgufTokenizer read_gguf_tokenizer(GgufMetadata& metadata);

}  // namespace hellora
