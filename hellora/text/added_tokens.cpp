#include "hellora/text/added_tokens.h"

#include "hellora/core/error.h"

namespace hellora {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0; }

/// The longest token of this kind that stands at `at`, or null.
const AddedToken* match_at(const std::vector<AddedToken>& tokens, bool normalized, std::string_view text, size_t at) {
  const AddedToken* best = nullptr;
  for (const AddedToken& token : tokens) {
    if (token.normalized != normalized || token.content.empty() || text.compare(at, token.content.size(), token.content) != 0) continue;
    const size_t end = at + token.content.size();
    if (token.single_word && ((at > 0 && is_word(text[at - 1])) || (end < text.size() && is_word(text[end])))) continue;
    if (best == nullptr || token.content.size() > best->content.size()) best = &token;
  }
  return best;
}

}  // namespace

std::vector<AddedToken> parse_added_tokens(const Json& json, const std::string& where) {
  std::vector<AddedToken> tokens;
  if (json.is_null()) return tokens;
  if (!json.is_array()) throw FormatError(where + ": added_tokens must be an array");
  for (const Json& one : json) {
    AddedToken token;
    token.id = int_member(one, "id", where + ": added_tokens");
    token.content = string_member(one, "content", where + ": added_tokens");
    if (token.id < 0 || token.id > INT32_MAX) throw FormatError(where + ": added token \"" + token.content + "\" has an id out of range");
    token.special = bool_or(one, "special", false, where);
    token.normalized = bool_or(one, "normalized", !token.special, where);
    token.lstrip = bool_or(one, "lstrip", false, where);
    token.rstrip = bool_or(one, "rstrip", false, where);
    token.single_word = bool_or(one, "single_word", false, where);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::vector<TextPart> cut_added_tokens(const std::vector<AddedToken>& tokens, bool normalized, const std::string& text) {
  std::vector<TextPart> parts;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = match_at(tokens, normalized, text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t left = at, right = at + token->content.size();
    while (token->lstrip && left > begin && is_space(text[left - 1])) --left;
    while (token->rstrip && right < text.size() && is_space(text[right])) ++right;
    if (left > begin) parts.push_back({text.substr(begin, left - begin), -1});
    parts.push_back({"", token->id});
    begin = at = right;
  }
  if (begin < text.size()) parts.push_back({text.substr(begin), -1});
  return parts;
}

}  // namespace hellora
