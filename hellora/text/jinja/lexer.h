// A template cut into tokens; whitespace control (trim_blocks, lstrip_blocks, -, +) is settled here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hellora::jinja {

enum class TokenType : uint8_t { data, print_begin, print_end, block_begin, block_end, name, string, integer, number, symbol, end };

struct Token {
  TokenType type = TokenType::end;
  int line = 1;
  std::string text{};  // of a name, string, symbol, data
  int64_t integer = 0;
  double number = 0;
};

/// FormatError "where:LINE: …". The last token is `end`.
std::vector<Token> tokenize(std::string_view source, const std::string& where);

/// The value of a string literal without its quotes, with Python's escapes. FormatError begins with `where`.
std::string unescape(std::string_view body, const std::string& where);

}  // namespace hellora::jinja
