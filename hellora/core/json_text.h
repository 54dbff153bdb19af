// JSON as text. The only way to write it: nlohmann's own throws on bytes that are no UTF-8, which names of files may hold.
#pragma once

#include <string>

#include "hellora/core/json.h"

namespace hellora {

/// On one line, or with `indent` blanks a level. Never throws for its content: bytes that are no UTF-8 become U+FFFD.
std::string dump_json(const Json& value, int indent = -1);

}  // namespace hellora
