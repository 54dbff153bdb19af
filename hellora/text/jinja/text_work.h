// String work that filters and methods share.
#pragma once

#include "hellora/text/jinja/machine.h"

namespace hellora::jinja {

/// str.replace; `count` below 0 means all.
std::string replaced(Machine& machine, std::string_view text, std::string_view old, std::string_view with, int64_t count);
/// int(text, base) of Python; nullopt when that raises ValueError. Fails when it does not fit into 64 bits.
std::optional<int64_t> parse_integer(const Machine& machine, std::string_view text, int base);
/// float(text) of Python; nullopt when that raises ValueError.
std::optional<double> parse_number(std::string_view text);

}  // namespace hellora::jinja
