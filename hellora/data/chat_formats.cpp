#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/data/conversation.h"
#include "hellora/data/marks.h"
#include "hellora/data/turn.h"

namespace hellora {
namespace {

/// `tools` is a list, or the text of one, as ShareGPT files carry it; an empty text or list means none.
Json read_tools(const Json& record, const std::string& where) {
  if (!has(record, "tools")) return nullptr;
  const Json& tools = record["tools"];
  Json out =
      tools.is_string() && !tools.get_ref<const std::string&>().empty() ? parse_json(tools.get<std::string>(), where + ": tools") : tools;
  const bool none = out.is_string() || (out.is_structured() && out.empty());
  return none ? Json() : out;
}

void add(Conversation& conversation, const char* role, const std::string& content) {
  conversation.places.resize(conversation.messages.size() + 1);
  conversation.messages.push_back({{"role", role}, {"content", content}});
}

/// The system message that stands beside the turns, under any of its names; an empty one is none.
std::string system_beside(const Json& record, const std::string& where) {
  std::string found, name;
  for (const char* key : {"system", "system_prompt", "system_message"}) {
    const std::string text = string_or(record, key, "", where);
    if (text.empty() || text == found) continue;
    if (!found.empty())
      throw FormatError(where + ": \"" + name + "\" and \"" + key + "\" say different things; one system message is expected");
    found = text;
    name = key;
  }
  return found;
}

/// Appends the turns of a list.
void add_turns(const Json& turns, const char* key, const std::string& where, Conversation& out) {
  if (!turns.is_array()) throw FormatError(where + ": \"" + key + "\" must be a list, found " + std::string(turns.type_name()));
  const size_t before = out.listed;
  for (size_t i = 0; i < turns.size(); ++i, ++out.listed) {
    std::optional<Json> turn = read_turn(turns[i], where + ": " + key + "[" + std::to_string(out.listed - before) + "]");
    if (!turn) continue;
    out.messages.push_back(std::move(*turn));
    out.places.emplace_back(out.listed);
  }
}

/// What stands beside the turns of every conversation.
void add_common(const Json& record, const std::string& where, Conversation& out) {
  out.tools = read_tools(record, where);
  if (has(record, "chat_template_kwargs")) {
    out.variables = record["chat_template_kwargs"];
    if (!out.variables.is_object())
      throw FormatError(where + ": \"chat_template_kwargs\" must be an object, found " + out.variables.type_name());
    for (const char* key : {"messages", "tools", "add_generation_prompt", "documents"}) {
      if (out.variables.contains(key)) throw FormatError(where + ": \"chat_template_kwargs\" may not set \"" + key + "\"");
    }
  }
}

Conversation from_list(const Json& record, const char* key, const std::string& where) {
  Conversation out;
  out.list = key;
  add_common(record, where, out);
  const std::string system = system_beside(record, where);
  if (!system.empty()) add(out, "system", system);
  add_turns(member(record, key, where), key, where, out);
  if (!system.empty() && out.messages.size() > 1 && out.messages[1]["role"] == "system") {
    if (out.messages[1]["content"] != system)
      throw FormatError(where + ": a system message stands in \"" + key + "\" and another one beside it");
    out.messages.erase(0);
    out.places.erase(out.places.begin());
  }
  apply_record_marks(record, out, where);
  check_conversation(out, where);
  return out;
}

}  // namespace

Conversation from_messages(const Json& record, const std::string& where) { return from_list(record, "messages", where); }
Conversation from_sharegpt(const Json& record, const std::string& where) { return from_list(record, "conversations", where); }

Conversation from_prompt_messages(const Json& record, const std::string& where) {
  Conversation out;
  add_common(record, where, out);
  for (const char* key : {"prompt", "completion"}) {
    const Json& part = member(record, key, where);
    if (!part.is_array() || part.empty()) {
      const char* found = part.is_array() ? "an empty one" : part.type_name();
      throw FormatError(where + ": \"" + key + "\" must be a list of messages, found " + found);
    }
    out.prompt = out.messages.size();
    out.prompt_listed = out.listed;
    add_turns(part, key, where, out);
  }
  apply_record_marks(record, out, where);
  check_conversation(out, where);
  const auto answers = [](const Json& message) { return message["role"] == "assistant"; };
  if (std::none_of(out.messages.begin() + static_cast<std::ptrdiff_t>(out.prompt), out.messages.end(), answers))
    throw FormatError(where + ": \"completion\" has no message of the assistant, which is what would be learned");
  return out;
}

Conversation from_alpaca(const Json& record, const std::string& where) {
  Conversation out;
  add_common(record, where, out);
  const std::string system = system_beside(record, where);
  if (!system.empty()) add(out, "system", system);
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
  std::string question = text_member(record, "instruction", where);
  const std::string input = has(record, "input") ? text_member(record, "input", where) : "";
  if (!input.empty()) question.append(question.empty() ? "" : "\n").append(input);
  add(out, "user", question);
  add(out, "assistant", text_member(record, "output", where));
  apply_record_marks(record, out, where);
  check_conversation(out, where);
  return out;
}

}  // namespace hellora
