// The tree that a template is parsed into.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hellora::jinja {

enum class ExprKind : uint8_t {
  none,
  boolean,    // integer: 0 or 1
  integer,    // integer
  number,     // number
  string,     // text
  name,       // text
  list,       // kids
  tuple,      // kids
  dict,       // kids: key, value, key, value …
  attribute,  // kids[0].text
  item,       // kids[0][kids[1]]
  slice,      // kids[0][kids[1]:kids[2]:kids[3]], a part that is absent is `none`
  call,       // kids[0](kids[1…], names = the last kids)
  filter,     // kids[0] | text(kids[1…], names = the last kids); kids[0] is `name ""` at the head of a block set
  test,       // kids[0] is text(kids[1…], names = the last kids)
  unary,      // text kids[0]: -, +, not
  binary,     // kids[0] text kids[1]: + - * / // % **
  concat,     // kids joined by ~
  compare,    // kids[0] names[0] kids[1] names[1] kids[2] …
  both,       // kids[0] and kids[1]
  either,     // kids[0] or kids[1]
  choice,     // kids[0] if kids[1] else kids[2]; without else two kids
};

struct Expr {
  ExprKind kind = ExprKind::none;
  int line = 0;
  int depth = 1;  // of the tree below: bounded, because walking it recurses
  std::string text{};
  int64_t integer = 0;
  double number = 0;
  std::vector<Expr> kids{};
  std::vector<std::string> names{};
};

enum class StmtKind : uint8_t {
  text,        // text
  print,       // exprs[0]
  choice,      // branches: exprs[i] guards bodies[i]; one body more than exprs is the else
  loop,        // for target in exprs[0] if exprs[1]: bodies[0]; else: bodies[1]
  set,         // target = exprs[0]
  set_block,   // target = bodies[0] through the filters exprs[0], if there is one
  macro,       // text(names, the last of which have the defaults exprs): bodies[0]
  leave,       // break
  next,        // continue
  generation,  // bodies[0], whose text the model wrote
};

/// `name`, `space.attribute`, or several of them.
struct Target {
  std::string name{}, attribute{};
  std::vector<Target> parts{};  // not empty: unpack
  bool unpacks = false;         // a tuple of one is still unpacked
};

struct Stmt {
  StmtKind kind = StmtKind::text;
  int line = 0;
  std::string text{};
  Target target{};
  std::vector<Expr> exprs{};
  std::vector<std::vector<Stmt>> bodies{};
  std::vector<std::string> names{};
};

using Body = std::vector<Stmt>;

}  // namespace hellora::jinja
