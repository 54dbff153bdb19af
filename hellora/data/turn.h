// One turn of a conversation, in the spellings of different tools, as a message {role, content, …}.
#pragma once

#include <optional>
#include <string>

#include "hellora/core/json.h"

namespace hellora {

/// `from` and `value` are `role` and `content`; roles may have other names (human, gpt, model, function, …); a number is its text;
/// `tool_calls` that are null or empty are none; `function_call`, and a turn `function_call`, are calls. Every other key goes along.
/// Nothing for an empty system message. FormatError "PLACE: …" for what is no message, for media, and for keys that may change what is
/// learned and are not understood.
std::optional<Json> read_turn(const Json& turn, const std::string& place);

/// A member that is text, or a number, which is the text that JSON writes. FormatError when it is missing or something else.
std::string text_member(const Json& record, std::string_view key, const std::string& where);

}  // namespace hellora
