// Tokens into the tree of a template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hellora/text/jinja/ast.h"
#include "hellora/text/jinja/lexer.h"

namespace hellora::jinja {

/// The tokens that are left, and errors with the line of the next one.
class TokenStream {
 public:
  TokenStream(const std::vector<Token>& tokens, const std::string& where) : tokens_(tokens), where_(where) {}
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& next();
  bool is(TokenType type) const { return peek().type == type; }
  bool is(TokenType type, std::string_view text) const { return peek().type == type && peek().text == text; }
  bool is_symbol(std::string_view text) const { return is(TokenType::symbol, text); }
  bool is_word(std::string_view text) const { return is(TokenType::name, text); }
  bool skip_symbol(std::string_view text);
  bool skip_word(std::string_view text);
  void expect_symbol(std::string_view text);
  void expect_word(std::string_view text);
  std::string expect_name(std::string_view what);
  /// FormatError "WHERE:LINE: message"
  [[noreturn]] void fail(const std::string& message) const;
  /// "found …" for messages
  std::string found() const;

 private:
  const std::vector<Token>& tokens_;
  const std::string& where_;
  size_t at_ = 0;
};

/// `a, b` is a tuple; `choice` allows `x if y else z`.
Expr parse_tuple(TokenStream& in, bool choice = true);
Expr parse_expression(TokenStream& in);
/// The filters `| f | g(x)` or, at the head of a block set, of `set x | f`: kids[0] of the innermost is a placeholder.
Expr parse_filters(TokenStream& in, Expr operand);
Target parse_target(TokenStream& in, bool with_attribute);

/// FormatError for anything that the subset does not have.
Body parse_template(const std::vector<Token>& tokens, const std::string& where);

}  // namespace hellora::jinja
