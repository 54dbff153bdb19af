// The names that GGUF files give to pre-tokenizers (`tokenizer.ggml.pre`), and what tokenizer.json says for each.
#pragma once

#include <string>
#include <string_view>

#include "hellora/core/json.h"

namespace hellora {

struct GgufPre {
  Json normalizer, pre_tokenizer;
  bool ignore_merges = false;  // a piece that is a token is not merged
  bool begins = false;         // what `add_bos_token` means where it is absent
};

/// FormatError names one that is not known, and those that are.
GgufPre find_gguf_pre(std::string_view name, const std::string& where);

}  // namespace hellora
