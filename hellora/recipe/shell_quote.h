// A command line that a person can copy.
#pragma once

#include <string>

#include "hellora/io/files.h"

namespace hellora {

/// The word as a shell reads it back: plain where nothing needs a quote, '…', or $'…' for control characters and broken UTF-8.
std::string shell_quote(const std::string& word);

/// The same for a path that must not be taken for an option.
std::string shell_path(const Path& path);

}  // namespace hellora
