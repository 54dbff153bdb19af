// A text as a YAML scalar that reads back as the same text.
#pragma once

#include <string>

namespace hellora {

/// Plain where nothing in it means anything to YAML, else in double quotes with escapes. The text must be UTF-8.
std::string yaml_text(const std::string& text);

}  // namespace hellora
