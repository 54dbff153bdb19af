#include "hellora/core/error.h"
#include "hellora/text/jinja/parser.h"

namespace hellora::jinja {

const Token& TokenStream::next() {
  const Token& token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TokenStream::skip_symbol(std::string_view text) {
  if (!is_symbol(text)) return false;
  next();
  return true;
}

bool TokenStream::skip_word(std::string_view text) {
  if (!is_word(text)) return false;
  next();
  return true;
}

void TokenStream::expect_symbol(std::string_view text) {
  if (!skip_symbol(text)) fail("expected \"" + std::string(text) + "\", " + found());
}

void TokenStream::expect_word(std::string_view text) {
  if (!skip_word(text)) fail("expected \"" + std::string(text) + "\", " + found());
}

std::string TokenStream::expect_name(std::string_view what) {
  if (!is(TokenType::name)) fail("expected " + std::string(what) + ", " + found());
  return next().text;
}

void TokenStream::fail(const std::string& message) const { throw FormatError(where_ + ":" + std::to_string(peek().line) + ": " + message); }

std::string TokenStream::found() const {
  switch (peek().type) {
    case TokenType::end: return "found the end of the template";
    case TokenType::print_end:
    case TokenType::block_end: return "found the end of the tag";
    case TokenType::print_begin:
    case TokenType::block_begin:
    case TokenType::data: return "found text";
    case TokenType::integer:
    case TokenType::number: return "found a number";
    case TokenType::string: return "found a string";
    default: return "found \"" + peek().text + "\"";
  }
}

}  // namespace hellora::jinja
