// SentencePiece's way with spaces, as tokenizer.json's Metaspace: a visible character stands for them and begins a word.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "hellora/core/json.h"

namespace hellora {

/// Where a character is put before a text that does not begin with one: every piece, the piece that begins the text, none.
enum class PrependScheme : uint8_t { always, first, never };

struct Metaspace {
  std::string replacement;  // one character
  PrependScheme prepend = PrependScheme::always;
  bool split = true;  // cut before each replacement character
};

Metaspace parse_metaspace(const Json& json, const std::string& where);

/// The pieces of a text that is not empty. `at_start`: nothing stands before it.
void metaspace_pieces(const Metaspace& stage, std::string_view text, bool at_start, const std::function<void(std::string_view)>& visit);

/// The text of one token; the first token's replacement characters vanish unless the scheme is `never`.
std::string metaspace_decode(const Metaspace& stage, std::string_view token, bool first);

}  // namespace hellora
