#include "hellora/data/turn.h"

#include <array>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/data/record_keys.h"

namespace hellora {
namespace {

struct Speaker {
  std::string_view name, role;
};
constexpr std::array<Speaker, 20> kSpeakers = {{
    {"human", "user"},         {"user", "user"},           {"gpt", "assistant"},      {"system", "system"},   {"assistant", "assistant"},
    {"tool", "tool"},          {"developer", "developer"}, {"chatgpt", "assistant"},  {"model", "assistant"}, {"bot", "assistant"},
    {"ai", "assistant"},       {"AI", "assistant"},        {"observation", "tool"},   {"function", "tool"},   {"function_response", "tool"},
    {"tool_response", "tool"}, {"ipython", "tool"},        {"function_call", "call"}, {"tool_call", "call"},  {"function-call", "call"},
}};

std::string_view role_of(const std::string& name, bool from, const std::string& place) {
  std::string known;
  for (const Speaker& one : kSpeakers) {
    if (one.name == name) return one.role;
    known.append(known.empty() ? "" : ", ").append(one.name);
  }
  throw FormatError(place + ": unknown " + (from ? "speaker" : "role") + " \"" + name + "\"; known: " + known);
}

/// A function_call turn: its text is one call as JSON, or a list of them.
Json read_calls(const Json& content, const std::string& place) {
  Json value = content.is_string() ? parse_json(content.get_ref<const std::string&>(), place + ": value") : content;
  if (value.is_object()) value = Json::array({value});
  if (!value.is_array()) throw FormatError(place + ": value must be a call {name, arguments} or a list of calls");
  Json calls = Json::array();
  for (const Json& one : value) calls.push_back({{"type", "function"}, {"function", one}});
  return calls;
}

bool is_empty(const Json& value) { return value.is_null() || value == "" || (value.is_structured() && value.empty()); }

/// Calls in their older form, which knows only one of them, or none.
void settle_calls(Json& message) {
  if (message.contains("tool_calls") && is_empty(message["tool_calls"])) message.erase("tool_calls");
  if (!message.contains("function_call")) return;
  Json call = message["function_call"];
  message.erase("function_call");
  if (is_empty(call) || message.contains("tool_calls")) return;
  message["tool_calls"] = Json::array();
  message["tool_calls"].push_back({{"type", "function"}, {"function", std::move(call)}});
}

/// A call without arguments has none.
void settle_arguments(Json& message) {
  if (!message.contains("tool_calls") || !message["tool_calls"].is_array()) return;
  for (Json& call : message["tool_calls"]) {
    if (!call.is_object()) continue;
    Json& function = call.contains("function") && call["function"].is_object() ? call["function"] : call;
    if (function.contains("name") && function.contains("arguments") && function["arguments"].is_null())
      function["arguments"] = Json::object();
  }
}

/// {from, value} as {role, content}; whatever else it has follows.
Json renamed(const Json& turn, const char* role_key, const char* content_key) {
  Json out = {{"role", turn.at(role_key)}};
  if (turn.contains(content_key)) out["content"] = turn.at(content_key);
  for (const auto& [key, value] : turn.items()) {
    if (key != role_key && key != content_key) out[key] = value;
  }
  return out;
}

/// Of text or a number.
std::optional<std::string> text_value(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return dump_json(value);
  return std::nullopt;
}

}  // namespace

std::string text_member(const Json& record, std::string_view key, const std::string& where) {
  const Json& value = member(record, key, where);
  if (std::optional<std::string> text = text_value(value)) return *std::move(text);
  throw FormatError(where + ": key \"" + std::string(key) + "\" must be a string or a number, found " + value.type_name());
}

std::optional<Json> read_turn(const Json& turn, const std::string& place) {
  if (!turn.is_object()) throw FormatError(place + ": expected a JSON object, found " + turn.type_name());
  check_turn_keys(turn, place);
  const bool from = !turn.contains("role") && turn.contains("from");
  const char *role_key = from ? "from" : "role", *content_key = !turn.contains("content") && turn.contains("value") ? "value" : "content";
  const std::string_view role = role_of(string_member(turn, role_key, place), from, place);
  Json message = from || *content_key == 'v' ? renamed(turn, role_key, content_key) : turn;
  const bool has_text = has(message, "content");
  if (has_text && !message["content"].is_array()) {
    std::optional<std::string> text = text_value(message["content"]);
    if (!text)
      throw FormatError(place + "." + content_key + " must be a string or a list of text parts, found " + message["content"].type_name());
    if (!message["content"].is_string()) message["content"] = std::move(*text);
  }
  if (role == "call") {
    Json calls = read_calls(message["content"], place);  // by itself: GCC 12 destroys what it has not made when this throws inside a list
    message["role"] = "assistant";
    message["content"] = "";
    message["tool_calls"] = std::move(calls);
    settle_arguments(message);
    return message;
  }
  if (message["role"] != role) message["role"] = role;
  settle_calls(message);
  settle_arguments(message);
  if (role == "system" && (!has_text || is_empty(message["content"]))) return std::nullopt;
  return message;
}

}  // namespace hellora
