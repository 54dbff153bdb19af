// Conversations in the form that chat templates take, and the record formats that become one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hellora/core/json.h"

namespace hellora {

/// Messages {role, content, …} in order, and the tools that were offered (null without).
struct Conversation {
  Json messages = Json::array();
  Json tools = nullptr;
  Json variables = Json::object();  // more for the template: chat_template_kwargs of the record
  size_t prompt = 0;                // so many messages are given: `train_on: completion` learns only later ones
  // Where the messages stood in the record's lists, which may have held empty system messages; without `places` they are as listed.
  std::string list = "messages";
  size_t listed = 0, prompt_listed = 0;
  std::vector<std::optional<size_t>> places{};  // nothing: it stood beside the list

  std::optional<size_t> place_of(size_t i) const { return i < places.size() ? places[i] : std::optional<size_t>(i); }
};

/// Each reads one record. FormatError "WHERE: KEY.PATH …" for wrong types, unknown roles, calls without a name, and tools that answer
/// nobody. Empty system messages, and null or empty `tool_calls`, are left out.
Conversation from_messages(const Json& record, const std::string& where);
/// `prompt` and `completion`, both lists of messages; an assistant speaks in the completion.
Conversation from_prompt_messages(const Json& record, const std::string& where);
/// `conversations` of {from, value} or {role, content}; `system` and `tools` beside them.
Conversation from_sharegpt(const Json& record, const std::string& where);
/// instruction, input, output, with `system`, `tools` and `history` [[question, answer], …].
Conversation from_alpaca(const Json& record, const std::string& where);

/// "WHERE: messages[3]", or the list that the record has it in.
std::string message_place(const Conversation& conversation, size_t i, const std::string& where);
/// What all of them hold to.
void check_conversation(const Conversation& conversation, const std::string& where);

}  // namespace hellora
