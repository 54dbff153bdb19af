// The state of one rendering: it owns every value, counts steps and bytes, and says where a template fails.
#pragma once

#include <ctime>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hellora/core/json.h"
#include "hellora/text/jinja/ast.h"
#include "hellora/text/jinja/value.h"
#include "hellora/text/template.h"

namespace hellora::jinja {

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;
};

class Machine;

/// Arguments by the names of a signature; null where one is not given.
struct Bound {
  std::vector<const Value*> at;
  const Args* all = nullptr;
  const Value* operator[](size_t i) const { return at[i]; }
};

/// A filter, test, method or function. The signature lists parameter names, `name?` where one may be absent, after `/ ` where they
/// cannot be given by name; `*` takes any.
/// Without `apply` the name is known to Jinja and refused here.
struct Routine {
  std::string_view name, signature;
  Value (*apply)(Machine&, const Value& self, const Bound&);
};

/// Names of one block. A macro sees the names of the place where it is defined, also those that are set later.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string_view, Value>> names{};
  Value* find(std::string_view name);
  void set(std::string_view name, const Value& value);
};

struct Function {
  std::string_view name;
  const Routine* routine = nullptr;
  Value self{};                 // of a method
  const Stmt* macro = nullptr;  // when there is no routine
  Scope* scope = nullptr;
};

/// Where output goes: the rendering itself, or text that is captured (macros, block set).
struct Output {
  std::string text;
  std::vector<std::pair<size_t, size_t>> generated;
  bool captured = false;
};

class Machine {
 public:
  Machine(const std::string& where, const TemplateLimits& limits) : where_(where), limits_(limits) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// DataError "WHERE:LINE: message".
  [[noreturn]] void fail(const std::string& message) const;
  /// Counts work; fails when there is too much of it.
  void tick(int64_t steps = 1);
  void write(std::string_view text);
  /// Fails when so many more bytes would be too many.
  void reserve(int64_t bytes) const;

  Value string(std::string text);
  Value list(std::vector<Value> items, Style style = Style::list);
  Value dict(std::vector<Entry> entries);  // keys must be unique
  Value space();
  Value loop(std::vector<Value> items);
  Value function(const Function& function);
  Value from_json(const Json& json);  // strings stay where they are
  Scope* scope(Scope* parent);

  int line = 0;
  Output* output = nullptr;
  std::optional<std::tm> now;

  /// One level of nested evaluation.
  class Level {
   public:
    explicit Level(Machine& machine);
    ~Level() { --machine_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Machine& machine_;
  };

 private:
  void grow(size_t bytes);

  const std::string& where_;
  TemplateLimits limits_;
  int64_t steps_ = 0, bytes_ = 0;
  int depth_ = 0;
  std::deque<std::string> strings_;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Space> spaces_;
  std::deque<Loop> loops_;
  std::deque<Function> functions_;
  std::deque<Scope> scopes_;
};

/// Matches arguments with a routine's signature and calls it.
Value apply(Machine& machine, const Routine& routine, const Value& self, const Args& args);
/// Calls what a template calls; anything but a function fails.
Value call(Machine& machine, const Value& callee, const Args& args);

/// The row of that name, null when there is none.
const Routine* find_routine(std::span<const Routine> table, std::string_view name);
std::span<const Routine> filters();
std::span<const Routine> tests();
std::span<const Routine> globals();
/// Methods of a value's type; empty for types without.
std::span<const Routine> methods(const Value& value);
/// The row, or a failure that names the filter or test.
const Routine& filter_named(const Machine& machine, std::string_view name);
const Routine& test_named(const Machine& machine, std::string_view name);

}  // namespace hellora::jinja
