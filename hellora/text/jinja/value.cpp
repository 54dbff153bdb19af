#include "hellora/text/jinja/value.h"

#include <array>

namespace hellora::jinja {

std::string_view type_name(const Value& value) {
  constexpr std::array<std::string_view, 11> kinds = {"undefined", "None", "bool",      "int",         "float",   "str",
                                                      "list",      "dict", "namespace", "LoopContext", "function"};
  constexpr std::array<std::string_view, 7> styles = {"list", "tuple", "range", "dict_items", "dict_keys", "dict_values", "iterator"};
  if (value.kind == Kind::list) return styles.at(static_cast<size_t>(value.list->style));
  return kinds.at(static_cast<size_t>(value.kind));
}

}  // namespace hellora::jinja
