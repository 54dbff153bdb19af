#include "hellora/data/conversation.h"

#include <algorithm>
#include <array>

#include "hellora/core/error.h"

namespace hellora {
namespace {

constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant", "tool"};

bool is_preamble(const std::string& role) { return role == "system" || role == "developer"; }

/// Text, or parts that are all text; anything else a template would have to show.
void check_content(const Json& content, const std::string& place) {
  if (content.is_string()) {
    if (content.get_ref<const std::string&>().empty()) throw FormatError(place + ".content is empty");
    return;
  }
  if (!content.is_array()) throw FormatError(place + ".content must be a string or a list of text parts, found " + content.type_name());
  if (content.empty()) throw FormatError(place + ".content is empty");
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string part = place + ".content[" + std::to_string(i) + "]";
    if (string_member(content[i], "type", part) != "text") throw FormatError(part + " is no text: only text can be trained on");
    string_member(content[i], "text", part);
  }
}

void check_calls(const Json& calls, const std::string& place) {
  if (!calls.is_array() || calls.empty()) throw FormatError(place + ".tool_calls must be a list of calls");
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string call = place + ".tool_calls[" + std::to_string(i) + "]";
    const Json& function = has(calls[i], "function") ? calls[i]["function"] : calls[i];
    if (string_member(function, "name", call).empty()) throw FormatError(call + ": the name is empty");
    const Json& arguments = member(function, "arguments", call);
    if (!arguments.is_object() && !arguments.is_string()) {
      throw FormatError(call + ": \"arguments\" must be an object or a string, found " + std::string(arguments.type_name()));
    }
  }
}

void check_order(const Json& messages, size_t i, const std::string& role, const std::string& place) {
  const std::string before = i == 0 ? "" : messages[i - 1]["role"].get<std::string>();
  if (is_preamble(role) && i > 0 && !is_preamble(before)) throw FormatError(place + ": a " + role + " message stands after " + before);
  if (role == "tool" && before != "assistant" && before != "tool") {
    throw FormatError(place + ": a tool message must follow an assistant's call" + (before.empty() ? "" : ", here it follows ") + before);
  }
}

}  // namespace

std::string message_place(const Conversation& conversation, size_t i, const std::string& where) {
  const char* list = conversation.prompt == 0 ? "messages" : i < conversation.prompt ? "prompt" : "completion";
  std::string out = where;
  return out.append(": ")
      .append(list)
      .append("[")
      .append(std::to_string(i < conversation.prompt ? i : i - conversation.prompt))
      .append("]");
}

void check_conversation(const Conversation& conversation, const std::string& where) {
  const Json& messages = conversation.messages;
  if (!messages.is_array()) throw FormatError(where + ": \"messages\" must be a list, found " + messages.type_name());
  if (messages.empty()) throw FormatError(where + ": the conversation is empty");
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string place = message_place(conversation, i, where);
    const Json& message = messages[i];
    const std::string role = string_member(message, "role", place);
    if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
      throw FormatError(place + ": unknown role \"" + role + "\"; known: system, developer, user, assistant, tool");
    }
    check_order(messages, i, role, place);
    const bool calls = has(message, "tool_calls");
    if (calls && role != "assistant") throw FormatError(place + ": only an assistant calls tools");
    if (calls) check_calls(message["tool_calls"], place);
    const bool may_be_empty = calls || role == "tool";  // a tool may have nothing to say
    if (has(message, "content") && !(may_be_empty && message["content"] == "")) check_content(message["content"], place);
    if (!has(message, "content") && !calls) throw FormatError(place + ": \"content\" is missing");
    is_trained(message, place);
  }
  const Json& tools = conversation.tools;
  if (!tools.is_null() && !tools.is_array())
    throw FormatError(where + ": \"tools\" must be a list, found " + std::string(tools.type_name()));
  for (size_t i = 0; tools.is_array() && i < tools.size(); ++i) {
    if (!tools[i].is_object()) throw FormatError(where + ": tools[" + std::to_string(i) + "] must be an object");
  }
}

bool is_trained(const Json& message, const std::string& where) {
  if (has(message, "train")) return bool_member(message, "train", where);
  if (!has(message, "weight")) return true;
  const double weight = double_member(message, "weight", where);
  if (weight != 0 && weight != 1) throw FormatError(where + ": \"weight\" must be 0 or 1");
  return weight == 1;
}

}  // namespace hellora
