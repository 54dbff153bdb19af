// Pre-tokenizers: how a text is cut before BPE. Built from tokenizer.json's `pre_tokenizer` object.
#pragma once

#include <string>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/text/regex.h"

namespace hellora {

/// What happens to the text that a Split pattern matches.
enum class SplitBehavior : uint8_t { isolated, removed, merged_with_previous, merged_with_next, contiguous };

/// One stage. A byte-level stage also turns bytes into the byte alphabet.
struct SplitStage {
  Regex pattern;
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;
};
struct PreTokenizer {
  std::vector<SplitStage> splits;  // applied one after the other to every piece
  bool byte_level = false;
  bool add_prefix_space = false;
  size_t byte_level_from = 0;  // splits from here on belong to the byte-level stage
};

/// FormatError names a stage or option that is not supported. A null object cuts nothing.
PreTokenizer parse_pre_tokenizer(const Json& json, const std::string& where);

/// The pieces of a (normalised, valid UTF-8) text, in the byte alphabet where the pre-tokenizer asks for it.
std::vector<std::string> pre_tokenize(const PreTokenizer& pre_tokenizer, const std::string& text);

}  // namespace hellora
