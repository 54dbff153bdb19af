#include "hellora/text/template_habits.h"

#include "hellora/core/json_text.h"

#include <algorithm>
#include <vector>

namespace hellora {
namespace {

using Render = std::function<std::optional<std::string>(const Json&)>;

// Words that no template writes by itself.
constexpr std::string_view kFirst = "qwFirstPartqw", kSecond = "qwSecondPartqw";

bool contains(const std::string& text, std::string_view what) { return text.find(what) != std::string::npos; }

Json message(const char* role, const Json& content) { return {{"role", role}, {"content", content}}; }

/// A turn that calls a tool. Mistral's templates want an id of nine characters.
Json calling(const Json& arguments, const Json& content) {
  Json call = {{"type", "function"}, {"id", "abcdefghi"}, {"function", {{"name", "f"}, {"arguments", arguments}}}};
  Json out = {{"role", "assistant"}, {"content", content}, {"tool_calls", Json::array()}};
  out["tool_calls"].push_back(std::move(call));
  return out;
}

Json answer(const Json& content) {
  Json out = message("tool", content);
  out["name"] = "f";
  out["tool_call_id"] = "abcdefghi";
  return out;
}

/// True when both parts are in the text and the list itself, as Python or JSON writes it, is not.
bool joins_parts(const Render& render, const Json& messages) {
  const std::optional<std::string> text = render(messages);
  return text && contains(*text, kFirst) && contains(*text, kSecond) && !contains(*text, "'text'") && !contains(*text, "\"text\"");
}

/// True when some conversation with these arguments shows them as JSON, or in a form of the template's own: not as Python prints an
/// object, and not as JSON inside of JSON.
bool writes(const Render& render, const Json& arguments) {
  const Json user = message("user", "u");
  for (const Json& content : {Json(""), Json(nullptr)}) {
    const Json turn = calling(arguments, content);
    for (const Json& messages : {Json::array({user, turn}), Json::array({user, turn, answer("r")})}) {
      const std::optional<std::string> text = render(messages);
      if (text && contains(*text, kFirst) && contains(*text, kSecond) && !contains(*text, std::string("'").append(kFirst).append("':")) &&
          !contains(*text, std::string("\\\"").append(kFirst)))
        return true;
    }
  }
  return false;
}

}  // namespace

bool TemplateHabits::takes_list(const std::string& role) const {
  if (role == "system" || role == "developer") return system_lists;
  if (role == "user") return user_lists;
  return role == "assistant" ? assistant_lists : tool_lists;
}

TemplateHabits find_habits(const Render& render) {
  const Json parts = {{{"type", "text"}, {"text", kFirst}}, {{"type", "text"}, {"text", kSecond}}};
  const Json user = message("user", "u"), arguments = {{std::string(kFirst), kSecond}};
  TemplateHabits out;
  out.system_lists = joins_parts(render, Json::array({message("system", parts), user}));
  out.user_lists = joins_parts(render, Json::array({message("user", parts)}));
  out.assistant_lists = joins_parts(render, Json::array({user, message("assistant", parts)}));
  out.tool_lists = joins_parts(render, Json::array({user, calling(Json::object(), ""), answer(parts)}));
  const bool objects = writes(render, arguments), text = writes(render, dump_json(arguments));
  if (objects != text) out.arguments = objects ? TemplateHabits::Arguments::objects : TemplateHabits::Arguments::text;
  return out;
}

}  // namespace hellora
