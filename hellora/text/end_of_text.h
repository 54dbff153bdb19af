// Which token ends a text, as a model folder says it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "hellora/text/added_tokens.h"

namespace hellora {

struct EndOfText {
  std::optional<int64_t> id;
  std::string missing;  // what was looked for, if there is none
};

/// Where the files beside tokenizer.json name no eos_token: eos_token_id (of a list the first) of generation_config.json, then of
/// config.json, then the one special token with a name that families use. FormatError when an eos_token_id is no token's.
EndOfText find_end_of_text(const std::filesystem::path& folder, std::span<const AddedToken> added,
                           const std::function<bool(int64_t)>& is_token);

}  // namespace hellora
