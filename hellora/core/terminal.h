// What may be done on a terminal beside writing text.
#pragma once

#include <string>

namespace hellora {

bool is_terminal(int descriptor);

/// Colours: only on a terminal that is not a "dumb" one, and never where the environment sets NO_COLOR to anything (no-color.org).
bool colours_on(int descriptor);

/// A result for standard output: on a terminal as `printable_text` shows it, else byte for byte.
std::string result_text(std::string text);

}  // namespace hellora
