#include <algorithm>
#include <array>

#include "hellora/text/jinja/parser.h"

namespace hellora::jinja {
namespace {

constexpr int kMaxDepth = 200;

/// Levels of brackets that the parser is in: it recurses, and so does whatever walks the tree.
struct Nesting {
  explicit Nesting(const TokenStream& in) {
    if (++depth > kMaxDepth) {
      --depth;
      in.fail("expressions nest deeper than " + std::to_string(kMaxDepth) + " levels");
    }
  }
  ~Nesting() { --depth; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  static thread_local int depth;
};
thread_local int Nesting::depth = 0;

Expr parse_or(TokenStream& in);
Expr parse_unary(TokenStream& in, bool with_filter);

Expr node(const TokenStream& in, ExprKind kind, int line, std::vector<Expr> kids = {}, std::string text = {}) {
  Expr out{kind, line, 1, std::move(text)};
  for (const Expr& kid : kids) out.depth = std::max(out.depth, kid.depth + 1);
  if (out.depth > kMaxDepth) in.fail("expressions nest deeper than " + std::to_string(kMaxDepth) + " levels");
  out.kids = std::move(kids);
  return out;
}

Expr wrap(const TokenStream& in, ExprKind kind, Expr first, std::string text = {}) {
  const int line = first.line;
  std::vector<Expr> kids;
  kids.push_back(std::move(first));
  return node(in, kind, line, std::move(kids), std::move(text));
}

Expr pair(const TokenStream& in, ExprKind kind, Expr first, Expr second, std::string text = {}) {
  const int line = first.line;
  std::vector<Expr> kids;
  kids.push_back(std::move(first));
  kids.push_back(std::move(second));
  return node(in, kind, line, std::move(kids), std::move(text));
}

bool is_constant_name(std::string_view name) {
  constexpr std::array<std::string_view, 6> names = {"true", "True", "false", "False", "none", "None"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

Expr parse_name(TokenStream& in) {
  const Token& token = in.next();
  if (!is_constant_name(token.text)) return node(in, ExprKind::name, token.line, {}, token.text);
  if (token.text[0] == 'n' || token.text[0] == 'N') return node(in, ExprKind::none, token.line);
  Expr out = node(in, ExprKind::boolean, token.line);
  out.integer = token.text[0] == 't' || token.text[0] == 'T' ? 1 : 0;
  return out;
}

Expr parse_literal(TokenStream& in) {
  const Token& token = in.next();
  if (token.type == TokenType::string) {
    Expr out = node(in, ExprKind::string, token.line, {}, token.text);
    while (in.is(TokenType::string)) out.text += in.next().text;
    return out;
  }
  Expr out = node(in, token.type == TokenType::integer ? ExprKind::integer : ExprKind::number, token.line);
  out.integer = token.integer;
  out.number = token.number;
  return out;
}

/// Items up to `close`, which is consumed; a comma may stand after the last.
std::vector<Expr> parse_items(TokenStream& in, std::string_view close, bool pairs) {
  std::vector<Expr> items;
  while (!in.is_symbol(close)) {
    if (!items.empty()) in.expect_symbol(",");
    if (in.is_symbol(close)) break;
    items.push_back(parse_expression(in));
    if (!pairs) continue;
    in.expect_symbol(":");
    items.push_back(parse_expression(in));
  }
  in.expect_symbol(close);
  return items;
}

Expr parse_primary(TokenStream& in) {
  const Nesting nesting(in);
  const int line = in.peek().line;
  switch (in.peek().type) {
    case TokenType::name: return parse_name(in);
    case TokenType::string:
    case TokenType::integer:
    case TokenType::number: return parse_literal(in);
    default: break;
  }
  if (in.skip_symbol("(")) {
    if (in.skip_symbol(")")) return node(in, ExprKind::tuple, line);
    Expr inner = parse_tuple(in);
    in.expect_symbol(")");
    return inner;
  }
  if (in.skip_symbol("[")) return node(in, ExprKind::list, line, parse_items(in, "]", false));
  if (in.skip_symbol("{")) return node(in, ExprKind::dict, line, parse_items(in, "}", true));
  in.fail("expected an expression, " + in.found());
}

/// `(…)` of a call; the arguments go behind kids[0].
Expr parse_call(TokenStream& in, Expr callee, ExprKind kind, std::string name) {
  const int line = in.peek().line;
  in.expect_symbol("(");
  std::vector<Expr> kids;
  std::vector<std::string> names;
  kids.push_back(std::move(callee));
  while (!in.is_symbol(")")) {
    if (kids.size() > 1) in.expect_symbol(",");
    if (in.is_symbol(")")) break;
    if (in.is_symbol("*") || in.is_symbol("**")) in.fail("arguments with * or ** are not supported");
    const Token& ahead = in.peek(1);
    if (in.is(TokenType::name) && ahead.type == TokenType::symbol && ahead.text == "=") {
      names.push_back(in.next().text);
      if (std::count(names.begin(), names.end(), names.back()) > 1) in.fail("argument \"" + names.back() + "\" is given twice");
      in.next();
    } else if (!names.empty()) {
      in.fail("an argument without a name stands after one with a name");
    }
    kids.push_back(parse_expression(in));
  }
  in.expect_symbol(")");
  Expr out = node(in, kind, line, std::move(kids), std::move(name));
  out.names = std::move(names);
  return out;
}

Expr parse_slice_part(TokenStream& in) {
  const bool absent = in.is_symbol(":") || in.is_symbol("]");
  return absent ? node(in, ExprKind::none, in.peek().line) : parse_expression(in);
}

Expr parse_bracket(TokenStream& in, Expr operand) {
  const int line = in.peek(0).line;
  if (in.is_symbol("]")) in.fail("expected an index, found \"]\"");
  Expr first = parse_slice_part(in);
  if (in.skip_symbol("]")) return pair(in, ExprKind::item, std::move(operand), std::move(first));
  if (in.is_symbol(",")) in.fail("an index of several values is not supported");
  in.expect_symbol(":");
  std::vector<Expr> kids;
  kids.push_back(std::move(operand));
  kids.push_back(std::move(first));
  kids.push_back(parse_slice_part(in));
  kids.push_back(in.skip_symbol(":") ? parse_slice_part(in) : node(in, ExprKind::none, line));
  in.expect_symbol("]");
  return node(in, ExprKind::slice, line, std::move(kids));
}

Expr parse_postfix(TokenStream& in, Expr operand) {
  while (true) {
    if (in.skip_symbol(".")) {
      if (in.is(TokenType::integer)) {
        operand = pair(in, ExprKind::item, std::move(operand), parse_literal(in));
      } else {
        std::string name = in.expect_name("a name after \".\"");
        operand = wrap(in, ExprKind::attribute, std::move(operand), std::move(name));
      }
    } else if (in.skip_symbol("[")) {
      operand = parse_bracket(in, std::move(operand));
    } else if (in.is_symbol("(")) {
      operand = parse_call(in, std::move(operand), ExprKind::call, {});
    } else {
      return operand;
    }
  }
}

/// Whether an argument without brackets follows the name of a test.
bool begins_test_argument(const TokenStream& in) {
  switch (in.peek().type) {
    case TokenType::name: return !in.is_word("else") && !in.is_word("or") && !in.is_word("and");
    case TokenType::string:
    case TokenType::integer:
    case TokenType::number: return true;
    default: return in.is_symbol("[") || in.is_symbol("{");
  }
}

Expr parse_test(TokenStream& in, Expr operand) {
  const int line = in.peek().line;
  const bool negated = in.skip_word("not");
  std::string name = in.expect_name("the name of a test");
  Expr out;
  if (in.is_symbol("(")) {
    out = parse_call(in, std::move(operand), ExprKind::test, std::move(name));
  } else if (begins_test_argument(in)) {
    if (in.is_word("is")) in.fail("tests cannot be chained with \"is\"");
    Expr argument = parse_primary(in);
    argument = parse_postfix(in, std::move(argument));
    out = pair(in, ExprKind::test, std::move(operand), std::move(argument), std::move(name));
  } else {
    out = wrap(in, ExprKind::test, std::move(operand), std::move(name));
  }
  out.line = line;
  return negated ? wrap(in, ExprKind::unary, std::move(out), "not") : std::move(out);
}

/// `.a.b` after the name of a filter or test belongs to it in Jinja; no filter here has one.
Expr parse_filter(TokenStream& in, Expr operand) {
  const int line = in.peek().line;
  std::string name = in.expect_name("the name of a filter");
  Expr out = in.is_symbol("(") ? parse_call(in, std::move(operand), ExprKind::filter, std::move(name))
                               : wrap(in, ExprKind::filter, std::move(operand), std::move(name));
  out.line = line;
  return out;
}

Expr parse_filters_and_tests(TokenStream& in, Expr operand) {
  while (true) {
    if (in.skip_symbol("|")) {
      operand = parse_filter(in, std::move(operand));
    } else if (in.skip_word("is")) {
      operand = parse_test(in, std::move(operand));
    } else if (in.is_symbol("(")) {
      operand = parse_call(in, std::move(operand), ExprKind::call, {});
    } else {
      return operand;
    }
  }
}

Expr parse_unary(TokenStream& in, bool with_filter) {
  const Nesting nesting(in);
  Expr out;
  if (in.is_symbol("-") || in.is_symbol("+")) {
    std::string symbol = in.next().text;
    out = wrap(in, ExprKind::unary, parse_unary(in, false), std::move(symbol));
  } else {
    out = parse_primary(in);
  }
  out = parse_postfix(in, std::move(out));
  return with_filter ? parse_filters_and_tests(in, std::move(out)) : std::move(out);
}

/// Operators of one level, which associate to the left.
template <class Operand>
Expr parse_left(TokenStream& in, std::initializer_list<std::string_view> symbols, Operand&& operand) {
  Expr left = operand(in);
  while (std::any_of(symbols.begin(), symbols.end(), [&](std::string_view symbol) { return in.is_symbol(symbol); })) {
    std::string symbol = in.next().text;
    Expr right = operand(in);
    left = pair(in, ExprKind::binary, std::move(left), std::move(right), std::move(symbol));
  }
  return left;
}

Expr parse_power(TokenStream& in) {
  return parse_left(in, {"**"}, [](TokenStream& s) { return parse_unary(s, true); });
}
Expr parse_product(TokenStream& in) { return parse_left(in, {"*", "/", "//", "%"}, parse_power); }

Expr parse_concat(TokenStream& in) {
  Expr first = parse_product(in);
  if (!in.is_symbol("~")) return first;
  const int line = first.line;
  std::vector<Expr> parts;
  parts.push_back(std::move(first));
  while (in.skip_symbol("~")) parts.push_back(parse_product(in));
  return node(in, ExprKind::concat, line, std::move(parts));
}

Expr parse_sum(TokenStream& in) { return parse_left(in, {"+", "-"}, parse_concat); }

/// The comparison operator that comes next, empty for none; it is consumed.
std::string comparison(TokenStream& in) {
  for (const std::string_view symbol : {"==", "!=", "<", "<=", ">", ">="}) {
    if (in.skip_symbol(symbol)) return std::string(symbol);
  }
  if (in.skip_word("in")) return "in";
  if (!in.is_word("not") || in.peek(1).type != TokenType::name || in.peek(1).text != "in") return {};
  in.next();
  in.next();
  return "not in";
}

Expr parse_compare(TokenStream& in) {
  Expr first = parse_sum(in);
  std::string symbol = comparison(in);
  if (symbol.empty()) return first;
  const int line = first.line;
  std::vector<Expr> kids;
  std::vector<std::string> symbols;
  kids.push_back(std::move(first));
  for (; !symbol.empty(); symbol = comparison(in)) {
    symbols.push_back(std::move(symbol));
    kids.push_back(parse_sum(in));
  }
  Expr out = node(in, ExprKind::compare, line, std::move(kids));
  out.names = std::move(symbols);
  return out;
}

Expr parse_not(TokenStream& in) {
  const Nesting nesting(in);
  if (!in.skip_word("not")) return parse_compare(in);
  return wrap(in, ExprKind::unary, parse_not(in), "not");
}

Expr parse_and(TokenStream& in) {
  Expr left = parse_not(in);
  while (in.skip_word("and")) left = pair(in, ExprKind::both, std::move(left), parse_not(in));
  return left;
}

Expr parse_or(TokenStream& in) {
  Expr left = parse_and(in);
  while (in.skip_word("or")) left = pair(in, ExprKind::either, std::move(left), parse_and(in));
  return left;
}

}  // namespace

Expr parse_expression(TokenStream& in) {
  const Nesting nesting(in);
  Expr value = parse_or(in);
  while (in.skip_word("if")) {
    const int line = value.line;
    std::vector<Expr> kids;
    kids.push_back(std::move(value));
    kids.push_back(parse_or(in));
    if (in.skip_word("else")) kids.push_back(parse_expression(in));
    value = node(in, ExprKind::choice, line, std::move(kids));
  }
  return value;
}

Expr parse_tuple(TokenStream& in, bool choice) {
  const int line = in.peek().line;
  std::vector<Expr> items;
  bool is_tuple = false;
  const auto ends = [&] { return in.is(TokenType::print_end) || in.is(TokenType::block_end) || in.is_symbol(")"); };
  items.push_back(choice ? parse_expression(in) : parse_or(in));
  while (in.skip_symbol(",")) {
    is_tuple = true;
    if (ends()) break;
    items.push_back(choice ? parse_expression(in) : parse_or(in));
  }
  if (!is_tuple) return std::move(items[0]);
  return node(in, ExprKind::tuple, line, std::move(items));
}

Expr parse_filters(TokenStream& in, Expr operand) {
  while (in.skip_symbol("|")) operand = parse_filter(in, std::move(operand));
  return operand;
}

Target parse_target(TokenStream& in, bool with_attribute) {
  const Nesting nesting(in);
  const auto one = [&]() -> Target {
    if (in.skip_symbol("(")) {
      Target inner = parse_target(in, with_attribute);
      in.expect_symbol(")");
      return inner;
    }
    Target out{in.expect_name("the name of a variable"), {}};
    if (is_constant_name(out.name)) in.fail("\"" + out.name + "\" cannot be set");
    if (with_attribute && in.skip_symbol(".")) out.attribute = in.expect_name("a name after \".\"");
    return out;
  };
  Target first = one();
  if (!in.is_symbol(",")) return first;
  Target out;
  out.unpacks = true;
  out.parts.push_back(std::move(first));
  while (in.skip_symbol(",")) {
    if (!in.is(TokenType::name) && !in.is_symbol("(")) break;
    if (in.is_word("in")) in.fail("expected the name of a variable, found \"in\"");
    out.parts.push_back(one());
  }
  return out;
}

}  // namespace hellora::jinja
