// What a chat template makes of forms in which records come: content as a list of parts, arguments of calls as text or as an object.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "hellora/core/json.h"

namespace hellora {

struct TemplateHabits {
  /// Which form of a call's arguments the template writes as JSON: whatever comes, only objects, or only their JSON text.
  enum class Arguments : uint8_t { as_given, objects, text };
  Arguments arguments = Arguments::as_given;
  bool system_lists = false, user_lists = false, assistant_lists = false, tool_lists = false;  // roles whose text parts it joins itself
  /// True when content of this role may stay a list.
  bool takes_list(const std::string& role) const;
};

/// Found by rendering small conversations; `render` gives nothing where the template fails.
TemplateHabits find_habits(const std::function<std::optional<std::string>(const Json& messages)>& render);

}  // namespace hellora
