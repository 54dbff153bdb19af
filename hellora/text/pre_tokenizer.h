// Pre-tokenizers: how a text is cut before BPE. Built from tokenizer.json's `pre_tokenizer` object.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/text/metaspace.h"
#include "hellora/text/split.h"

namespace hellora {

/// ByteLevel's add_prefix_space: every piece that does not begin with a space gets one.
struct PrefixSpace {};
using PreStage = std::variant<SplitStage, Metaspace, PrefixSpace>;

struct PreTokenizer {
  std::vector<PreStage> stages;  // applied one after the other to every piece
  bool byte_level = false;       // BPE works on bytes, spelled in the byte alphabet
  bool by_position = false;      // a stage treats the piece that begins the text in its own way
};

/// FormatError names a stage or option that is not supported. A null object cuts nothing.
PreTokenizer parse_pre_tokenizer(const Json& json, const std::string& where);

/// Calls visit(piece, at_start) for what one stage makes of a piece that is not empty; a piece lives during the call.
using PieceVisitor = std::function<void(std::string_view piece, bool at_start)>;
void apply_stage(const PreStage& stage, std::string_view piece, bool at_start, const PieceVisitor& visit);

/// The pieces of a (normalised, valid UTF-8) text, in the byte alphabet where the pre-tokenizer asks for it.
std::vector<std::string> pre_tokenize(const PreTokenizer& pre_tokenizer, std::string_view text);

}  // namespace hellora
