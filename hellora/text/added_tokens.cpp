#include "hellora/text/added_tokens.h"

#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"
#include "hellora/text/regex.h"
#include "hellora/text/vocabulary.h"

namespace hellora {
namespace {

// \s and \w of the regular expressions that Hugging Face's library matches beside an added token.
constexpr const char* kSpace = "^\\p{White_Space}$";
constexpr const char* kWord = "^[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}]$";

size_t pair_at(std::string_view text, size_t at) {
  return size_t{static_cast<unsigned char>(text[at])} * 256 + static_cast<unsigned char>(text[at + 1]);
}

/// Start of the character that ends before `end` (at least 1).
size_t character_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool is_one(const Regex& kind, std::string_view character) { return kind.find(character).has_value(); }

bool is_space(std::string_view character) {
  static const Regex space(kSpace, "added_tokens");
  return is_one(space, character);
}

bool is_word(std::string_view character) {
  static const Regex word(kWord, "added_tokens");
  return is_one(word, character);
}

size_t spaces_begin(std::string_view text, size_t low, size_t end) {
  while (end > low) {
    const size_t before = character_before(text, end);
    if (!is_space(text.substr(before, end - before))) break;
    end = before;
  }
  return end;
}

size_t spaces_end(std::string_view text, size_t at) {
  while (at < text.size() && is_space(text.substr(at, utf8_length(text, at)))) at += utf8_length(text, at);
  return at;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word(text.substr(character_before(text, begin), begin - character_before(text, begin)))) return false;
  return end == text.size() || !is_word(text.substr(end, utf8_length(text, end)));
}

}  // namespace

std::vector<AddedToken> parse_added_tokens(const Json& json, const std::string& where) {
  std::vector<AddedToken> tokens;
  if (json.is_null()) return tokens;
  if (!json.is_array()) throw FormatError(where + " must be an array");
  for (size_t i = 0; i < json.size(); ++i) {
    const Json& one = json[i];
    const std::string here = where + "[" + std::to_string(i) + "]";
    AddedToken token;
    token.id = int_member(one, "id", here);
    token.content = string_member(one, "content", here);
    if (token.id < 0 || token.id > kMaxTokenId) throw FormatError(here + ": added token \"" + token.content + "\" has an id out of range");
    token.match = token.content;
    token.special = bool_or(one, "special", false, here);
    token.normalized = bool_or(one, "normalized", !token.special, here);
    token.lstrip = bool_or(one, "lstrip", false, here);
    token.rstrip = bool_or(one, "rstrip", false, here);
    token.single_word = bool_or(one, "single_word", false, here);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

AddedTokenSet::AddedTokenSet(const std::vector<AddedToken>& tokens, bool normalized) {
  for (const AddedToken& token : tokens) {
    if (token.normalized != normalized || token.match.empty()) continue;
    const auto first = static_cast<unsigned char>(token.match.front());
    by_first_byte_[first].push_back(token);
    begins_[first] = true;
    for (size_t second = 0; second < 256; ++second) {
      if (token.match.size() == 1 || second == static_cast<unsigned char>(token.match[1])) pairs_.set(size_t{first} * 256 + second);
    }
  }
  for (std::vector<AddedToken>& row : by_first_byte_)
    std::stable_sort(row.begin(), row.end(), [](const AddedToken& a, const AddedToken& b) { return a.match.size() > b.match.size(); });
}

/// The longest token that stands at `at`, or null.
const AddedToken* AddedTokenSet::match_at(std::string_view text, size_t at) const {
  if (at + 1 < text.size() && !pairs_[pair_at(text, at)]) return nullptr;
  for (const AddedToken& token : by_first_byte_[static_cast<unsigned char>(text[at])]) {
    if (text.substr(at).starts_with(token.match)) return &token;
  }
  return nullptr;
}

std::vector<TextPart> AddedTokenSet::cut(std::string_view text) const {
  std::vector<TextPart> parts;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = begins_[static_cast<unsigned char>(text[at])] ? match_at(text, at) : nullptr;
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t left = at, right = at + token->match.size();
    if (token->single_word && !stands_alone(text, left, right)) {  // the longest match decides; a shorter token gets no try inside it
      at = right;
      continue;
    }
    if (token->lstrip) left = spaces_begin(text, begin, left);
    if (token->rstrip) right = spaces_end(text, right);
    if (left > begin) parts.push_back({text.substr(begin, left - begin), -1});
    parts.push_back({{}, token->id});
    begin = at = right;
  }
  if (begin < text.size()) parts.push_back({text.substr(begin), -1});
  return parts;
}

}  // namespace hellora
