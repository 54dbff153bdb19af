// Values of a template: small, copied freely, and valid as long as the machine that made them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hellora::jinja {

enum class Kind : uint8_t { undefined, none, boolean, integer, number, string, list, dict, space, loop, function };

/// What Python calls the type of a sequence: it decides how the value prints and what may be done with it.
enum class Style : uint8_t { list, tuple, range, items_view, keys_view, values_view, iterator };

struct List;
struct Dict;
struct Space;
struct Loop;
struct Function;

struct Value {
  Kind kind = Kind::undefined;
  bool safe = false;      // a string that went through the filter `safe`
  std::string_view text;  // the string; of an undefined value: its name
  union {
    bool boolean;
    int64_t integer = 0;
    double number;
    List* list;
    Dict* dict;
    Space* space;
    Loop* loop;
    Function* function;
  };
};

using Entry = std::pair<Value, Value>;

struct List {
  std::vector<Value> items;
  Style style = Style::list;
  std::string repr{};  // of a range
};

/// Keys are unique and keep their order.
struct Dict {
  std::vector<Entry> entries;
};

/// What namespace() makes: the only thing that a template can change.
struct Space {
  std::vector<std::pair<std::string_view, Value>> names;
};

/// The special variable of a for loop.
struct Loop {
  std::vector<Value> items;
  size_t at = 0;
  std::vector<Value> last_changed{};  // arguments of the last loop.changed()
  bool changed_called = false;
};

inline Value undefined(std::string_view name = {}) {
  Value value;
  value.text = name;
  return value;
}

inline Value none() {
  Value value;
  value.kind = Kind::none;
  return value;
}

inline Value boolean(bool b) {
  Value value;
  value.kind = Kind::boolean;
  value.boolean = b;
  return value;
}

inline Value integer(int64_t i) {
  Value value;
  value.kind = Kind::integer;
  value.integer = i;
  return value;
}

inline Value number(double d) {
  Value value;
  value.kind = Kind::number;
  value.number = d;
  return value;
}

/// The text must outlive the value.
inline Value view(std::string_view text) {
  Value value;
  value.kind = Kind::string;
  value.text = text;
  return value;
}

inline bool is(const Value& value, Kind kind) { return value.kind == kind; }
inline bool is_style(const Value& value, Style style) { return value.kind == Kind::list && value.list->style == style; }

/// The type as Python names it.
std::string_view type_name(const Value& value);

}  // namespace hellora::jinja
