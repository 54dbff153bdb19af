// Text from files on a terminal: what could move the cursor, colour the screen or forge a line is shown, not done.
#pragma once

#include <string>
#include <string_view>

namespace hellora {

/// One line: control characters (line breaks and tabs too), invisible direction marks and broken UTF-8 become \n, \t, \x1B or \u202E.
std::string printable(std::string_view text);

/// Several lines of a report: as above, but line breaks stay.
std::string printable_lines(std::string_view text);

/// What a model wrote: line breaks, tabs and direction marks belong to a text, other control characters and broken UTF-8 are escaped.
std::string printable_text(std::string_view text);

}  // namespace hellora
