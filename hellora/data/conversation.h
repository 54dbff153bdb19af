// Conversations in the form that chat templates take, and the record formats that become one.
#pragma once

#include <string>

#include "hellora/core/json.h"

namespace hellora {

/// Messages {role, content, …} in order, and the tools that were offered (null without).
struct Conversation {
  Json messages = Json::array();
  Json tools = nullptr;
  size_t prompt = 0;  // so many messages are given: `train_on: completion` learns only later ones
};

/// Each reads one record. FormatError "WHERE: KEY.PATH …" for wrong types, unknown roles, empty turns, and roles out of order.
Conversation from_messages(const Json& record, const std::string& where);
/// `prompt` and `completion`, both lists of messages; an assistant speaks in the completion.
Conversation from_prompt_messages(const Json& record, const std::string& where);
/// `conversations` of {from, value}: human, gpt, system, tool and their other names; `system` and `tools` beside them.
Conversation from_sharegpt(const Json& record, const std::string& where);
/// instruction, input, output, with `system` and `history` [[question, answer], …].
Conversation from_alpaca(const Json& record, const std::string& where);

/// "WHERE: messages[3]", or the list that the record has it in.
std::string message_place(const Conversation& conversation, size_t i, const std::string& where);
/// What all of them hold to.
void check_conversation(const Conversation& conversation, const std::string& where);
/// `train` or `weight` of a message: false or 0 takes an assistant's turn out of the loss.
bool is_trained(const Json& message, const std::string& where);

}  // namespace hellora
