#include "hellora/text/jinja/lexer.h"

#include <array>
#include <charconv>

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"
#include "hellora/text/jinja/text_work.h"
#include "hellora/text/jinja/unicode.h"

namespace hellora::jinja {
namespace {

constexpr std::array<std::string_view, 26> kSymbols = {"**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                                       "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/// Line ends become \n; one at the end of the template is dropped.
std::string normal_lines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string_view source, const std::string& where) : source_(source), where_(where) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) outside();
    add(TokenType::end);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { throw FormatError(where_ + ":" + std::to_string(line_) + ": " + message); }

  std::string_view rest() const { return source_.substr(at_); }
  bool ahead(std::string_view text) const { return rest().starts_with(text); }

  void add(TokenType type, std::string text = {}) { tokens_.push_back({type, line_, std::move(text)}); }

  void skip(size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) line_ += source_[at_ + i] == '\n' ? 1 : 0;
    if (bytes > 0) line_starting_ = source_[at_ + bytes - 1] == '\n';
    at_ += bytes;
  }

  void skip_space() { skip(rest().size() - strip(rest(), std::nullopt, Side::left).size()); }

  /// Text up to the next tag, and the tag.
  void outside() {
    size_t open = at_;
    while (open < source_.size() && !opens_tag(open)) ++open;
    std::string_view text = source_.substr(at_, open - at_);
    const bool found = open < source_.size();
    const char kind = found ? source_[open + 1] : ' ';
    const char sign = found && open + 2 < source_.size() ? source_[open + 2] : ' ';
    const bool starting = line_starting_;
    const size_t length = text.size();
    if (found) text = before_tag(text, kind, sign, starting);
    if (!text.empty()) add(TokenType::data, std::string(text));
    skip(length);
    if (!found) return;
    skip(sign == '-' || sign == '+' ? 3 : 2);
    if (kind == '#') return comment();
    if (kind == '{') return inside(TokenType::print_begin, TokenType::print_end);
    if (!raw()) inside(TokenType::block_begin, TokenType::block_end);
  }

  bool opens_tag(size_t at) const {
    if (source_[at] != '{' || at + 1 == source_.size()) return false;
    const char next = source_[at + 1];
    return next == '{' || next == '%' || next == '#';
  }

  /// What is left of the text in front of a tag.
  static std::string_view before_tag(std::string_view text, char kind, char sign, bool line_starting) {
    if (sign == '-') return strip(text, std::nullopt, Side::right);
    if (sign == '+' || kind == '{') return text;
    const size_t line = text.rfind('\n') + 1;  // 0 when there is none
    if (line == 0 && !line_starting) return text;
    return strip(text.substr(line), std::nullopt).empty() ? text.substr(0, line) : text;
  }

  /// Closes a comment or a block: the whitespace that goes with the mark. `mark` is #} or %}.
  void close_tag(std::string_view mark, char sign) {
    skip(mark.size() + (sign == ' ' ? 0 : 1));
    if (sign == '-') skip_space();
    if (sign == ' ' && ahead("\n")) skip(1);
  }

  void comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) fail("a comment is not closed; expected \"#}\"");
    // The sign belongs to the mark, unless it is the one that opened the comment: "{#-#}" opens and closes with it.
    const char last = end > at_ ? source_[end - 1] : ' ';
    const char sign = last == '-' || last == '+' ? last : ' ';
    skip(end - at_ - (sign == ' ' ? 0 : 1));
    close_tag("#}", sign);
  }

  /// The word of a tag such as `raw`, with the whitespace around it, then the end mark; 0 when it is another tag.
  size_t tag_length(size_t at, std::string_view word) const {
    const auto after_space = [&](size_t from) {
      const std::string_view text = source_.substr(from);
      return from + text.size() - strip(text, std::nullopt, Side::left).size();
    };
    const size_t begin = after_space(at);
    if (!source_.substr(begin).starts_with(word)) return 0;
    return after_space(begin + word.size()) - at;
  }

  bool raw() {
    const size_t head = tag_length(at_, "raw");
    if (head == 0) return false;
    const std::string_view mark = source_.substr(at_ + head);
    const bool strips = mark.starts_with("-%}");
    if (!strips && !mark.starts_with("%}")) return false;
    skip(head + (strips ? 3 : 2));
    if (strips) skip_space();
    for (size_t open = source_.find("{%", at_); open != std::string_view::npos; open = source_.find("{%", open + 1)) {
      const char next = open + 2 < source_.size() ? source_[open + 2] : ' ';
      const char sign = next == '-' || next == '+' ? next : ' ';
      const size_t from = open + (sign == ' ' ? 2 : 3), tail = tag_length(from, "endraw");
      if (tail == 0) continue;
      const std::string_view close = source_.substr(from + tail);
      const bool signed_close = close.starts_with("-%}") || close.starts_with("+%}");
      if (!signed_close && !close.starts_with("%}")) continue;
      const std::string_view text = before_tag(source_.substr(at_, open - at_), '%', sign, line_starting_);
      if (!text.empty()) add(TokenType::data, std::string(text));
      skip(from + tail - at_);
      close_tag("%}", signed_close ? close[0] : ' ');
      return true;
    }
    fail("a raw block is not closed; expected \"{% endraw %}\"");
  }

  /// Tokens of an expression or a statement.
  void inside(TokenType begin, TokenType end) {
    add(begin);
    const bool block = begin == TokenType::block_begin;
    const std::string_view mark = block ? "%}" : "}}";
    std::string open;  // brackets that wait for their partner
    while (true) {
      skip_space();
      if (at_ >= source_.size()) fail("the template ends inside a tag; expected \"" + std::string(mark) + "\"");
      const char sign = ahead("-") || (block && ahead("+")) ? source_[at_] : ' ';
      if (open.empty() && source_.substr(at_ + (sign == ' ' ? 0 : 1)).starts_with(mark)) {
        add(end);
        if (block) return close_tag(mark, sign);
        skip(mark.size() + (sign == ' ' ? 0 : 1));
        if (sign == '-') skip_space();
        return;
      }
      one_token(open);
    }
  }

  void one_token(std::string& open) {
    const char c = source_[at_];
    if (is_digit(c)) return number();
    if (begins_name(c)) return name();
    if (c == '\'' || c == '"') return string(c);
    for (const std::string_view symbol : kSymbols) {
      if (!ahead(symbol)) continue;
      balance(symbol[0], open);
      add(TokenType::symbol, std::string(symbol));
      return skip(symbol.size());
    }
    fail("unexpected character \"" + std::string(source_.substr(at_, utf8_length(source_, at_))) + "\"");
  }

  void balance(char c, std::string& open) const {
    if (c == '(') open += ')';
    if (c == '[') open += ']';
    if (c == '{') open += '}';
    if (c != ')' && c != ']' && c != '}') return;
    if (open.empty() || open.back() != c) fail(std::string("unexpected \"") + c + "\"");
    open.pop_back();
  }

  void name() {
    size_t length = 1;
    while (at_ + length < source_.size() && (begins_name(source_[at_ + length]) || is_digit(source_[at_ + length]))) ++length;
    add(TokenType::name, std::string(source_.substr(at_, length)));
    skip(length);
  }

  void string(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail("a string is not closed");
    const std::string where = where_ + ":" + std::to_string(line_);
    add(TokenType::string, unescape(source_.substr(at_ + 1, end - at_ - 1), where));
    skip(end + 1 - at_);
  }

  /// Bytes of decimal digits at `at`, with single underscores between them.
  size_t digits(size_t at) const {
    size_t length = 0;
    while (at + length < source_.size() &&
           (is_digit(source_[at + length]) ||
            (length > 0 && source_[at + length] == '_' && at + length + 1 < source_.size() && is_digit(source_[at + length + 1])))) {
      ++length;
    }
    return length;
  }

  void number() {
    if (source_[at_] == '0' && at_ + 1 < source_.size() && begins_name(source_[at_ + 1])) fail("only decimal numbers are supported");
    const size_t whole = digits(at_);
    size_t end = at_ + whole;
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';  // a.1.2 holds no float
    if (!after_dot && end + 1 < source_.size() && source_[end] == '.' && digits(end + 1) > 0) end += 1 + digits(end + 1);
    if (!after_dot && end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const bool sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-');
      const size_t power = digits(end + 1 + (sign ? 1 : 0));
      if (power > 0) end += 1 + (sign ? 1 : 0) + power;
    }
    const bool is_float = end > at_ + whole;
    std::string plain;
    for (const char c : source_.substr(at_, end - at_)) {
      if (c != '_') plain += c;
    }
    if (!is_float && plain.size() > 1 && plain[0] == '0' && plain.find_first_not_of('0') != std::string::npos) {
      fail("a number does not begin with 0");
    }
    add(is_float ? TokenType::number : TokenType::integer);
    Token& token = tokens_.back();
    const char *first = plain.data(), *last = first + plain.size();
    if (is_float) {
      token.number = parse_number(plain).value_or(0);
    } else if (std::from_chars(first, last, token.integer).ec != std::errc()) {
      fail("number " + plain + " is too large");
    }
    skip(end - at_);
  }

  std::string_view source_;
  const std::string& where_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, const std::string& where) {
  if (!is_utf8(source)) throw FormatError(where + ": the template is not valid UTF-8");
  const std::string normal = normal_lines(source);
  return Lexer(normal, where).run();
}

}  // namespace hellora::jinja
