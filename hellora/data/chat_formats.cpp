#include <algorithm>
#include <array>

#include "hellora/core/error.h"
#include "hellora/data/conversation.h"

namespace hellora {
namespace {

/// `tools` is a list, or the text of one, as ShareGPT files carry it; an empty text or list means none.
Json read_tools(const Json& record, const std::string& where) {
  if (!has(record, "tools")) return nullptr;
  const Json& tools = record["tools"];
  Json out =
      tools.is_string() && !tools.get_ref<const std::string&>().empty() ? parse_json(tools.get<std::string>(), where + ": tools") : tools;
  const bool none = out.is_string() || (out.is_array() && out.empty());
  return none ? Json() : out;
}

void add(Conversation& conversation, const char* role, const std::string& content) {
  conversation.messages.push_back({{"role", role}, {"content", content}});
}

void add_system(Conversation& conversation, const Json& record, const std::string& where) {
  const std::string text = string_or(record, "system", "", where);
  if (!text.empty()) add(conversation, "system", text);
}

struct Speaker {
  std::string_view from, role;
};
constexpr std::array<Speaker, 13> kSpeakers = {{
    {"human", "user"},
    {"user", "user"},
    {"gpt", "assistant"},
    {"chatgpt", "assistant"},
    {"assistant", "assistant"},
    {"model", "assistant"},
    {"bot", "assistant"},
    {"system", "system"},
    {"tool", "tool"},
    {"observation", "tool"},
    {"function_response", "tool"},
    {"tool_response", "tool"},
    {"function_call", "call"},
}};

std::string_view role_of(const std::string& from, const std::string& place) {
  std::string known;
  for (const Speaker& one : kSpeakers) {
    if (one.from == from) return one.role;
    known.append(known.empty() ? "" : ", ").append(one.from);
  }
  throw FormatError(place + ": unknown speaker \"" + from + "\"; known: " + known);
}

/// A function_call turn: its text is one call as JSON, or a list of them.
Json read_calls(const std::string& text, const std::string& place) {
  Json value = parse_json(text, place + ": value");
  if (value.is_object()) value = Json::array({value});
  if (!value.is_array()) throw FormatError(place + ": value must be a call {name, arguments} or a list of calls");
  Json calls = Json::array();
  for (const Json& one : value) calls.push_back({{"type", "function"}, {"function", one}});
  return calls;
}

}  // namespace

Conversation from_messages(const Json& record, const std::string& where) {
  Conversation out{member(record, "messages", where), read_tools(record, where)};
  check_conversation(out, where);
  return out;
}

Conversation from_prompt_messages(const Json& record, const std::string& where) {
  Conversation out;
  out.tools = read_tools(record, where);
  for (const char* key : {"prompt", "completion"}) {
    const Json& part = member(record, key, where);
    if (!part.is_array() || part.empty()) {
      const char* found = part.is_array() ? "an empty one" : part.type_name();
      throw FormatError(where + ": \"" + key + "\" must be a list of messages, found " + found);
    }
    out.prompt = out.messages.size();
    for (const Json& message : part) out.messages.push_back(message);
  }
  check_conversation(out, where);
  const auto answers = [](const Json& message) { return message["role"] == "assistant"; };
  if (std::none_of(out.messages.begin() + static_cast<std::ptrdiff_t>(out.prompt), out.messages.end(), answers))
    throw FormatError(where + ": \"completion\" has no message of the assistant, which is what would be learned");
  return out;
}

Conversation from_sharegpt(const Json& record, const std::string& where) {
  Conversation out;
  out.tools = read_tools(record, where);
  add_system(out, record, where);
  const Json& turns = member(record, "conversations", where);
  if (!turns.is_array()) throw FormatError(where + ": \"conversations\" must be a list, found " + std::string(turns.type_name()));
  for (size_t i = 0; i < turns.size(); ++i) {
    const std::string place = where + ": conversations[" + std::to_string(i) + "]";
    const std::string from = string_member(turns[i], "from", place), value = string_member(turns[i], "value", place);
    const std::string_view role = role_of(from, place);
    Json message{{"role", role}, {"content", value}};
    if (role == "call") {
      Json calls = read_calls(value, place);  // by itself: GCC 12 destroys what it has not made when this throws inside a list
      message = {{"role", "assistant"}, {"content", ""}, {"tool_calls", std::move(calls)}};
    }
    for (const char* key : {"train", "weight"}) {
      if (has(turns[i], key)) message[key] = turns[i][key];
    }
    out.messages.push_back(std::move(message));
  }
  check_conversation(out, where);
  return out;
}

Conversation from_alpaca(const Json& record, const std::string& where) {
  Conversation out;
  add_system(out, record, where);
  const Json history = has(record, "history") ? record["history"] : Json::array();
  if (!history.is_array()) throw FormatError(where + ": \"history\" must be a list, found " + std::string(history.type_name()));
  for (size_t i = 0; i < history.size(); ++i) {
    const Json& pair = history[i];
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      throw FormatError(where + ": history[" + std::to_string(i) + "] must be a question and an answer");
    }
    add(out, "user", pair[0].get<std::string>());
    add(out, "assistant", pair[1].get<std::string>());
  }
  std::string question = string_member(record, "instruction", where);
  const std::string input = string_or(record, "input", "", where);
  if (!input.empty()) question.append(question.empty() ? "" : "\n").append(input);
  add(out, "user", question);
  add(out, "assistant", string_member(record, "output", where));
  check_conversation(out, where);
  return out;
}

}  // namespace hellora
