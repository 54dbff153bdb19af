// Help texts: usage, options with their defaults and ranges, the common options last, examples; at most 100 columns.
#pragma once

#include <memory>
#include <string>

#include "hellora/cli/command.h"

namespace hellora {

inline constexpr const char* kCommonGroup = "Common options";
inline constexpr size_t kColumns = 100;

std::shared_ptr<CLI::FormatterBase> help_formatter();

/// "label  text", the text wrapped at `width` columns and kept in its column.
std::string two_columns(const std::string& label, const std::string& text, size_t column, size_t width = kColumns);

}  // namespace hellora
