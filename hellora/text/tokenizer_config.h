// What the files beside tokenizer.json say, read together as transformers 5.24 reads them: tokenizer_config.json,
// special_tokens_map.json and added_tokens.json.
#pragma once

#include <string>
#include <vector>

#include "hellora/core/json_object.h"
#include "hellora/io/files.h"
#include "hellora/text/added_tokens.h"
#include "hellora/text/vocabulary.h"

namespace hellora {

struct TokenizerConfig {
  std::string where;                 // the file that names a token, for errors
  Json specials = Json::object();    // bos_token and the like, by their keys, as text
  std::vector<AddedToken> declared;  // added tokens with their ids, by id; their options hold, not those of tokenizer.json
  std::vector<AddedToken> named;     // special tokens, without ids
  Json chat_template = nullptr;      // text, a list of {name, template}, or null
};

/// Of a folder without these files everything is empty. special_tokens_map.json, where tokenizer_config.json has no
/// added_tokens_decoder, goes before it. FormatError names the file and the key: wrong types, and keys that would change how text
/// becomes tokens. `unknown` says what is done with keys that nobody knows.
TokenizerConfig read_tokenizer_config(const Path& folder, Unknown unknown = Unknown::ignore);

/// Adds its tokens to those of tokenizer.json: a token of the vocabulary keeps its id, a new one gets the id after the last. FormatError
/// when a declared id is another one, and when the end or the beginning of a text is no token.
void add_tokens(const TokenizerConfig& config, const Vocabulary& vocab, std::vector<AddedToken>& tokens);

}  // namespace hellora
