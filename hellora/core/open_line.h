// The line on standard error that is rewritten in place (progress on a terminal). Every message ends it first, so that nothing
// is ever written behind it.
#pragma once

#include <string>

namespace hellora {

/// Writes `text` in place of the open line, or as a new one; it stays open.
void draw_open_line(const std::string& text);
/// Keeps what the open line shows and goes to the next line; nothing without an open line.
void end_open_line();
/// Removes the open line; nothing without one.
void erase_open_line();

}  // namespace hellora
