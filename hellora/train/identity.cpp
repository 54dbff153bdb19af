#include "hellora/train/identity.h"

#include "hellora/core/printable.h"

namespace hellora {
namespace {

std::string shown(const Json* value) {
  if (value == nullptr) return "absent";
  if (!value->is_string()) return value->dump(-1, ' ', true, Json::error_handler_t::replace);
  const auto text = value->get<std::string>();
  return text.empty() ? "\"\"" : printable(text);
}

}  // namespace

std::string identity_difference(const Json& saved, const Json& wanted, const std::string& place) {
  std::string text;
  for (const auto& [key, value] : wanted.items()) {
    const auto old = saved.find(key);
    if (old != saved.end() && *old == value) continue;
    if (!text.empty()) text += "; ";
    text += key + " is " + shown(old == saved.end() ? nullptr : &*old) + " in " + place + ", now " + shown(&value);
  }
  return text;
}

}  // namespace hellora
