// Record formats: which keys a JSON record has and how it becomes prompt and completion text. A table, one row each.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "hellora/core/json.h"

namespace hellora {

/// `{key}` in the templates stands for a string member. An empty prompt means that the whole text is supervised.
struct RecordFormat {
  std::string_view name;
  std::string_view prompt, completion;
  std::string_view optional;  // a key that may be absent or empty: then `prompt_without` is used
  std::string_view prompt_without;
};

std::span<const RecordFormat> record_formats();
/// ConfigError lists the known names.
const RecordFormat& find_format(const std::string& name);
/// The first format whose keys the record has; FormatError names `where` and what was looked for.
const RecordFormat& detect_format(const Json& record, const std::string& where);

struct PromptCompletion {
  std::string prompt, completion;
};
/// FormatError when a key is missing or not a string.
PromptCompletion render(const RecordFormat& format, const Json& record, const std::string& where);

/// The prompt of a format whose prompt has one key, with `text` in its place; `text` itself for other formats.
std::string render_prompt(const RecordFormat& format, const std::string& text);

}  // namespace hellora
