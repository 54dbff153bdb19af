#include "hellora/text/pattern.h"

#include <algorithm>
#include <array>

#include "hellora/core/error.h"
#include "hellora/text/regex.h"
#include "hellora/text/unicode_newer.h"

namespace hellora {
namespace {

// White_Space. PCRE2's \s holds U+180E as well.
constexpr const char* kSpace = R"(\t-\r\x20\x85\xA0\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr const char* kNoSpace =
    R"(\x00-\x08\x0E-\x1F\x21-\x84\x86-\x9F\xA1-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{10FFFF})";
// Oniguruma's \w: PCRE2's has no marks, and takes every number. The last six are numbers of Latin-1.
constexpr const char* kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\xB2\xB3\xB9\xBC-\xBE)";
// Properties whose members have been compared with the reference's (tests/golden/fixtures/text/classes.jsonl).
constexpr std::array<std::string_view, 14> kCategories = {"L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "Nd", "Nl", "No", "P", "S", "Z"};
constexpr std::array<std::string_view, 8> kScripts = {"Han", "Latin", "Greek", "Cyrillic", "Hangul", "Hebrew", "Thai", "Arabic"};

std::string hexadecimal(uint32_t code) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string out;
  for (int shift = 20; shift >= 0; shift -= 4) out += kDigits[(code >> shift) & 0xF];
  return "\\x{" + out + "}";
}

std::string newer(std::string_view property) {
  std::string out;
  for (const auto& [first, last] : newer_characters(property)) out += hexadecimal(first) + "-" + hexadecimal(last);
  return out;
}

/// The property's ASCII characters, named although it holds them: PCRE2 finds those in a bit map, before it looks up a property. No
/// other property may stand here: without case, "A-Z" is more than Lu.
std::string ascii(std::string_view property) {
  if (property == "L") return "A-Za-z";
  return property == "N" || property == "Nd" ? "0-9" : "";
}

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& where) : in_(pattern), where_(where) {}

  std::string run() {
    out_ = "(?m)";
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        escape();
      } else if (c == '[') {
        char_class();
      } else if (c == '(') {
        group();
      } else {
        if (in_.substr(at_).starts_with("{,") || in_.substr(at_).starts_with("}+")) refuse(in_.substr(at_, 2));
        out_ += c;
        ++at_;
      }
    }
    return out_;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    throw FormatError(where_ + ": \"" + std::string(what) + "\" at position " + std::to_string(at_) + " of a pattern is not supported");
  }

  /// The characters of \s, \p{…} and the like, as they stand in a class. `negated` comes out for \P, \D, \W.
  std::string members(bool& negated) {
    const char kind = in_[at_ + 1];
    const size_t begin = at_;
    at_ += 2;
    switch (kind) {
      case 's': return kSpace;
      case 'S': return kNoSpace;
      case 'W':
      case 'w': negated = kind == 'W'; return kWord + newer("L") + newer("M") + newer("Nd");
      case 'D':
      case 'd': negated = kind == 'D'; return ascii("Nd") + "\\p{Nd}" + newer("Nd");
      default: break;
    }
    negated = kind == 'P';
    const size_t close = in_.find('}', at_);
    if (at_ == in_.size() || in_[at_] != '{' || close == std::string_view::npos) refuse(in_.substr(begin, 2));
    const std::string name(in_.substr(at_ + 1, close - at_ - 1));
    at_ = close + 1;
    if (std::find(kScripts.begin(), kScripts.end(), name) != kScripts.end()) return "\\p{sc:" + name + "}" + newer(name);
    if (std::find(kCategories.begin(), kCategories.end(), name) != kCategories.end())
      return ascii(name) + "\\p{" + name + "}" + newer(name);
    refuse("\\p{" + name + "}");
  }

  bool names_class() const { return at_ + 1 < in_.size() && std::string_view("sSwWdDpP").find(in_[at_ + 1]) != std::string_view::npos; }

  /// An escape that means the same to both.
  void plain_escape(std::string_view letters) {
    if (at_ + 1 == in_.size()) refuse("\\");
    const char c = in_[at_ + 1];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter && letters.find(c) == std::string_view::npos) refuse(in_.substr(at_, 2));
    out_ += in_.substr(at_, 2);
    at_ += 2;
  }

  void escape() {
    if (!names_class()) return plain_escape("nrtfxAz");
    bool negated = false;
    const std::string inside = members(negated);
    out_ += (negated ? "[^" : "[") + inside + "]";
  }

  void char_class() {
    out_ += '[';
    ++at_;
    if (at_ < in_.size() && in_[at_] == '^') out_ += in_[at_++];
    for (bool first = true;; first = false) {
      if (at_ >= in_.size()) throw FormatError(where_ + ": a class in a pattern is not closed");
      const char c = in_[at_];
      if (c == ']' && !first) break;
      if (c == '[') refuse(in_.substr(at_, 1));  // a class in a class: a union there, characters here
      if (in_.substr(at_).starts_with("&&")) refuse("&&");
      if (c == '\\') {
        class_escape();
      } else {
        out_ += c;
        ++at_;
      }
    }
    out_ += ']';
    ++at_;
  }

  void class_escape() {
    if (!names_class()) return plain_escape("nrtfx");
    const size_t begin = at_;
    bool negated = false;
    out_ += members(negated);
    if (negated) refuse(in_.substr(begin, 2));
  }

  void group() {
    constexpr std::array<std::string_view, 8> kKnown = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?-i:"};
    const std::string_view rest = in_.substr(at_);
    std::string_view found = rest.starts_with("(?") || rest.starts_with("(*") ? "" : "(";
    for (const std::string_view known : kKnown) {
      if (rest.starts_with(known)) found = known;
    }
    if (at_ == 0 && rest.starts_with("(?i)")) found = "(?i)";  // later on the two disagree on how far it reaches
    if (found.empty()) refuse(rest.substr(0, 3));
    out_ += found;
    at_ += found.size();
  }

  std::string_view in_;
  const std::string& where_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string to_pcre2(std::string_view pattern, const std::string& where) { return Translator(pattern, where).run(); }

std::string parse_pattern(const Json& pattern, const std::string& where, std::string* literal) {
  if (has(pattern, "Regex")) return to_pcre2(string_member(pattern, "Regex", where), where);
  if (!has(pattern, "String")) throw FormatError(where + ": a pattern must be {\"Regex\": …} or {\"String\": …}");
  const std::string text = string_member(pattern, "String", where);
  if (text.empty()) throw FormatError(where + ": an empty pattern is not supported");
  if (literal != nullptr) *literal = text;
  return escape_regex(text);
}

}  // namespace hellora
