#include <algorithm>

#include "hellora/text/jinja/parser.h"

namespace hellora::jinja {
namespace {

constexpr int kMaxBlocks = 50;

class Parser {
 public:
  Parser(const std::vector<Token>& tokens, const std::string& where) : in_(tokens, where) {}

  Body run() {
    Body out = body({});
    if (!in_.is(TokenType::end)) in_.fail("unexpected tag, " + in_.found());
    return out;
  }

 private:
  using Words = std::vector<std::string_view>;

  bool at_word(const Words& words) const {
    return in_.is(TokenType::name) && std::find(words.begin(), words.end(), in_.peek().text) != words.end();
  }

  static Stmt statement(StmtKind kind, int line) { return Stmt{kind, line}; }

  void end_tag() {
    if (!in_.is(TokenType::block_end)) in_.fail("expected the end of the tag, " + in_.found());
    in_.next();
  }

  /// Statements up to a tag that begins with one of `ends`: that word comes next. No words: up to the end of the template.
  Body body(const Words& ends) {
    if (++blocks_ > kMaxBlocks) in_.fail("blocks nest deeper than " + std::to_string(kMaxBlocks) + " levels");
    Body out;
    while (!in_.is(TokenType::end)) {
      const int line = in_.peek().line;
      if (in_.is(TokenType::data)) {
        out.push_back(statement(StmtKind::text, line));
        out.back().text = in_.next().text;
      } else if (in_.is(TokenType::print_begin)) {
        in_.next();
        out.push_back(statement(StmtKind::print, line));
        out.back().exprs.push_back(parse_tuple(in_));
        if (!in_.is(TokenType::print_end)) in_.fail("expected the end of the tag, " + in_.found());
        in_.next();
      } else {
        in_.next();  // block_begin
        if (at_word(ends)) {
          --blocks_;
          return out;
        }
        out.push_back(tag());
      }
    }
    if (!ends.empty()) in_.fail("expected {% " + std::string(ends.back()) + " %}, found the end of the template");
    --blocks_;
    return out;
  }

  /// The body of a tag that has just been opened, its end mark included.
  Body inner(const Words& ends) {
    in_.skip_symbol(":");
    end_tag();
    return body(ends);
  }

  Stmt tag() {
    const int line = in_.peek().line;
    if (!in_.is(TokenType::name)) in_.fail("expected the name of a tag, " + in_.found());
    Stmt out;
    if (in_.skip_word("if")) {
      out = choice(line);
    } else if (in_.skip_word("for")) {
      out = loop(line);
    } else if (in_.skip_word("set")) {
      out = set(line);
    } else if (in_.skip_word("macro")) {
      out = macro(line);
    } else if (in_.is_word("break") || in_.is_word("continue")) {
      if (loops_ == 0) in_.fail("\"" + in_.peek().text + "\" outside a loop");
      out = statement(in_.next().text == "break" ? StmtKind::leave : StmtKind::next, line);
    } else if (in_.skip_word("generation")) {
      out = generation(line);
    } else {
      in_.fail("tag \"" + in_.peek().text + "\" is not supported here");
    }
    end_tag();
    return out;
  }

  Stmt choice(int line) {
    Stmt out = statement(StmtKind::choice, line);
    out.exprs.push_back(parse_tuple(in_, false));
    out.bodies.push_back(inner({"elif", "else", "endif"}));
    while (in_.skip_word("elif")) {
      out.exprs.push_back(parse_tuple(in_, false));
      out.bodies.push_back(inner({"elif", "else", "endif"}));
    }
    if (in_.skip_word("else")) out.bodies.push_back(inner({"endif"}));
    in_.expect_word("endif");
    return out;
  }

  Stmt loop(int line) {
    Stmt out = statement(StmtKind::loop, line);
    out.target = parse_target(in_, false);
    if (names_loop(out.target)) in_.fail("\"loop\" cannot be the variable of a loop");
    in_.expect_word("in");
    out.exprs.push_back(parse_tuple(in_, false));
    if (in_.skip_word("if")) out.exprs.push_back(parse_expression(in_));
    if (in_.is_word("recursive")) in_.fail("recursive loops are not supported");
    ++loops_;
    out.bodies.push_back(inner({"else", "endfor"}));
    --loops_;
    if (in_.skip_word("else")) out.bodies.push_back(inner({"endfor"}));
    in_.expect_word("endfor");
    return out;
  }

  static bool names_loop(const Target& target) {
    return target.name == "loop" || std::any_of(target.parts.begin(), target.parts.end(), names_loop);
  }

  Stmt set(int line) {
    Stmt out = statement(StmtKind::set, line);
    out.target = parse_target(in_, true);
    if (loops_ > 0 && names_loop(out.target) && out.target.attribute.empty()) in_.fail("\"loop\" cannot be set inside a loop");
    if (in_.skip_symbol("=")) {
      out.exprs.push_back(parse_tuple(in_));
      return out;
    }
    out.kind = StmtKind::set_block;
    if (in_.is_symbol("|")) out.exprs.push_back(parse_filters(in_, Expr{ExprKind::name, line}));
    out.bodies.push_back(inner({"endset"}));
    in_.expect_word("endset");
    return out;
  }

  /// A function body: loops outside it cannot be left from inside.
  Body function_body(const Words& ends) {
    const int outer = loops_;
    loops_ = 0;
    Body out = inner(ends);
    loops_ = outer;
    return out;
  }

  Stmt macro(int line) {
    Stmt out = statement(StmtKind::macro, line);
    out.text = in_.expect_name("the name of a macro");
    in_.expect_symbol("(");
    while (!in_.is_symbol(")")) {
      if (!out.names.empty()) in_.expect_symbol(",");
      out.names.push_back(in_.expect_name("the name of a parameter"));
      if (std::count(out.names.begin(), out.names.end(), out.names.back()) > 1) in_.fail("a parameter is there twice");
      if (in_.skip_symbol("=")) {
        out.exprs.push_back(parse_expression(in_));
      } else if (!out.exprs.empty()) {
        in_.fail("a parameter without a default follows one with a default");
      }
    }
    in_.expect_symbol(")");
    out.bodies.push_back(function_body({"endmacro"}));
    in_.expect_word("endmacro");
    return out;
  }

  Stmt generation(int line) {
    Stmt out = statement(StmtKind::generation, line);
    out.bodies.push_back(function_body({"endgeneration"}));
    in_.expect_word("endgeneration");
    return out;
  }

  TokenStream in_;
  int blocks_ = 0, loops_ = 0;
};

}  // namespace

Body parse_template(const std::vector<Token>& tokens, const std::string& where) { return Parser(tokens, where).run(); }

}  // namespace hellora::jinja
