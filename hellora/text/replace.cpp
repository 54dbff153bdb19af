#include "hellora/text/replace.h"

#include "hellora/core/error.h"
#include "hellora/text/pattern.h"

namespace hellora {

ReplaceStep parse_replace(const Json& json, const std::string& where) {
  std::string literal;
  Regex pattern(parse_pattern(member(json, "pattern", where), where + ".pattern", &literal), where + ".pattern");
  return {std::move(pattern), literal, string_member(json, "content", where)};
}

std::string replace_all(const ReplaceStep& step, std::string_view text, size_t most) {
  std::string out;
  size_t at = 0;
  const auto replace = [&](size_t begin, size_t end) {
    out.append(text.substr(at, begin - at)).append(step.content);
    if (out.size() > most) throw DataError("a Replace of the tokenizer makes more than " + std::to_string(most) + " bytes of a text");
    at = end;
  };
  if (step.literal.empty()) {
    step.pattern.for_each_match(text, replace);
  } else {
    for (size_t found = text.find(step.literal); found != std::string_view::npos; found = text.find(step.literal, at))
      replace(found, found + step.literal.size());
  }
  out += text.substr(at);
  return out;
}

}  // namespace hellora
