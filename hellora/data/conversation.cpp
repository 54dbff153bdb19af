#include "hellora/data/conversation.h"

#include "hellora/core/error.h"
#include "hellora/data/marks.h"

namespace hellora {
namespace {

void check_part(const Json& part, const std::string& place) {
  if (part.is_string()) return;
  if (!part.is_object()) throw FormatError(place + " must be a text part {type, text}, found " + part.type_name());
  const std::string type = string_or(part, "type", "text", place);
  if (type != "text") throw FormatError(place + " is no text (its type is \"" + type + "\"): only text can be trained on");
  string_member(part, "text", place);
}

/// Text, or parts that are all text; anything else a template would have to show.
void check_content(const Json& content, const std::string& place) {
  if (content.is_string()) return;
  for (size_t i = 0; i < content.size(); ++i) check_part(content[i], place + ".content[" + std::to_string(i) + "]");
}

void check_calls(const Json& calls, const std::string& place) {
  if (!calls.is_array()) throw FormatError(place + ".tool_calls must be a list of calls, found " + calls.type_name());
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
  if (role != "tool") return;
  const std::string before = i == 0 ? "" : messages[i - 1]["role"].get<std::string>();
  if (before != "assistant" && before != "tool") {
    throw FormatError(place + ": a tool message must follow an assistant's call" + (before.empty() ? "" : ", here it follows ") + before);
  }
}

void check_tools(const Json& tools, const std::string& where) {
  if (!tools.is_null() && !tools.is_array())
    throw FormatError(where + ": \"tools\" must be a list, found " + std::string(tools.type_name()));
  for (size_t i = 0; tools.is_array() && i < tools.size(); ++i) {
    if (!tools[i].is_object()) throw FormatError(where + ": tools[" + std::to_string(i) + "] must be an object");
  }
}

}  // namespace

std::string message_place(const Conversation& conversation, size_t i, const std::string& where) {
  const std::optional<size_t> place = conversation.place_of(i);
  if (!place && conversation.messages[i]["role"] == "system") return where + ": system";
  const bool two = conversation.prompt > 0;
  const size_t prompt = conversation.prompt_listed > 0 ? conversation.prompt_listed : conversation.prompt;
  const size_t number = place.value_or(i);
  const bool given = two && number < prompt;
  const std::string list = !two ? conversation.list : given ? "prompt" : "completion";
  std::string out = where;
  return out.append(": ").append(list).append("[").append(std::to_string(two && !given ? number - prompt : number)).append("]");
}

void check_conversation(const Conversation& conversation, const std::string& where) {
  const Json& messages = conversation.messages;
  if (messages.empty()) throw FormatError(where + ": the conversation is empty");
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string place = message_place(conversation, i, where);
    const Json& message = messages[i];
    const auto role = message["role"].get<std::string>();
    check_order(messages, i, role, place);
    const bool calls = has(message, "tool_calls");
    if (calls && role != "assistant") throw FormatError(place + ": only an assistant calls tools");
    if (calls) check_calls(message["tool_calls"], place);
    if (has(message, "content")) check_content(message["content"], place);
    if (!has(message, "content") && !calls) throw FormatError(place + ": \"content\" is missing");
    learned_mark(message, place);
  }
  check_tools(conversation.tools, where);
}

}  // namespace hellora
