#include "hellora/text/metaspace.h"

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"

namespace hellora {
namespace {

std::string exchanged(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t at = 0;
  for (size_t found = text.find(from); found != std::string_view::npos; found = text.find(from, at)) {
    out.append(text.substr(at, found - at)).append(to);
    at = found + from.size();
  }
  return out += text.substr(at);
}

PrependScheme parse_scheme(const std::string& name, const std::string& where) {
  if (name == "always") return PrependScheme::always;
  if (name == "first") return PrependScheme::first;
  if (name == "never") return PrependScheme::never;
  throw FormatError(where + ": prepend_scheme \"" + name + "\" is not supported; expected always, first or never");
}

}  // namespace

Metaspace parse_metaspace(const Json& json, const std::string& where) {
  Metaspace out;
  out.replacement = string_member(json, "replacement", where);
  if (out.replacement.empty() || utf8_length(out.replacement, 0) != out.replacement.size())
    throw FormatError(where + ": replacement must be one character");
  out.prepend = parse_scheme(string_or(json, "prepend_scheme", "always", where), where);
  if (!bool_or(json, "add_prefix_space", true, where) && out.prepend != PrependScheme::never)
    throw FormatError(where + ": add_prefix_space is false, so prepend_scheme must be \"never\"");
  out.split = bool_or(json, "split", true, where);
  return out;
}

void metaspace_pieces(const Metaspace& stage, std::string_view text, bool at_start, const std::function<void(std::string_view)>& visit) {
  const std::string& mark = stage.replacement;
  std::string whole = exchanged(text, " ", mark);
  const bool wanted = stage.prepend == PrependScheme::always || (stage.prepend == PrependScheme::first && at_start);
  if (wanted && !whole.starts_with(mark)) whole.insert(0, mark);
  if (!stage.split) return visit(whole);
  const std::string_view view = whole;
  for (size_t begin = 0; begin < view.size();) {
    const size_t next = view.find(mark, begin + 1);
    const size_t end = next == std::string_view::npos ? view.size() : next;
    visit(view.substr(begin, end - begin));
    begin = end;
  }
}

std::string metaspace_decode(const Metaspace& stage, std::string_view token, bool first) {
  return exchanged(token, stage.replacement, first && stage.prepend != PrependScheme::never ? "" : " ");
}

}  // namespace hellora
