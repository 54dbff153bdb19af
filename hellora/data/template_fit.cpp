#include "hellora/data/template_fit.h"

#include <algorithm>

#include "hellora/core/error.h"

namespace hellora {
namespace {

using Arguments = TemplateHabits::Arguments;

bool may_need(const Json& message) {
  return message.contains("tool_calls") || (message.contains("content") && message["content"].is_array());
}

bool all_parts(const Json& content) {
  return !content.empty() &&
         std::all_of(content.begin(), content.end(), [](const Json& part) { return part.is_object() && has(part, "type"); });
}

std::string joined(const Json& content) {
  std::string text;
  for (const Json& part : content)
    text += part.is_string() ? part.get_ref<const std::string&>() : part["text"].get_ref<const std::string&>();
  return text;
}

/// As tojson writes it.
std::string json_text(const Json& value) {
  static const Template print = Template::parse("{{ value | tojson }}", "tojson");
  return print.render({{"value", value}}).text;
}

void fit_arguments(Json& arguments, Arguments habit, const std::string& place) {
  if (habit == Arguments::text && arguments.is_object()) arguments = json_text(arguments);
  if (habit != Arguments::objects || !arguments.is_string()) return;
  const auto& text = arguments.get_ref<const std::string&>();
  Json value = text.find_first_not_of(" \t\r\n") == std::string::npos ? Json::object() : parse_json(text, place + ": arguments");
  if (!value.is_object())
    throw FormatError(place + ": \"arguments\" must be an object, the template writes it as one; found " + value.type_name());
  arguments = std::move(value);
}

void fit_message(Json& message, const TemplateHabits& habits, const std::string& place) {
  if (has(message, "content") && message["content"].is_array()) {
    Json& content = message["content"];
    if (!habits.takes_list(message["role"].get<std::string>()) || !all_parts(content)) content = joined(content);
  }
  if (!has(message, "tool_calls")) return;
  Json& calls = message["tool_calls"];
  for (size_t i = 0; i < calls.size(); ++i) {
    Json& function = has(calls[i], "function") ? calls[i]["function"] : calls[i];
    fit_arguments(function["arguments"], habits.arguments, place + ".tool_calls[" + std::to_string(i) + "]");
  }
}

}  // namespace

std::optional<Conversation> fit_to_template(const Conversation& conversation, const ChatTemplate& chat, const std::string& where) {
  if (std::none_of(conversation.messages.begin(), conversation.messages.end(), may_need)) return std::nullopt;
  const TemplateHabits& habits = chat.habits(!conversation.tools.is_null());
  Conversation out = conversation;
  for (size_t i = 0; i < out.messages.size(); ++i) fit_message(out.messages[i], habits, message_place(out, i, where));
  return out;
}

}  // namespace hellora
