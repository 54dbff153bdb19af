#include "hellora/data/format.h"

#include <array>

#include "hellora/core/error.h"
#include "hellora/core/text.h"

namespace hellora {
namespace {

constexpr std::array<RecordFormat, 4> kFormats = {{
    {"gsm8k", "Question: {question}\nAnswer:", " {answer}", "", ""},
    {"instruction", "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n", "{output}", "input",
     "### Instruction:\n{instruction}\n\n### Response:\n"},
    {"prompt", "{prompt}", "{completion}", "", ""},
    {"text", "", "{text}", "", ""},
}};

/// Keys of a template, in order.
std::vector<std::string> keys_of(std::string_view text) {
  std::vector<std::string> keys;
  for (size_t open = text.find('{'); open != std::string_view::npos; open = text.find('{', open + 1)) {
    keys.emplace_back(text.substr(open + 1, text.find('}', open) - open - 1));
  }
  return keys;
}

std::string fill(std::string_view pattern, const Json& record, const std::string& where) {
  std::string out;
  size_t at = 0;
  for (size_t open = pattern.find('{'); open != std::string_view::npos; open = pattern.find('{', at)) {
    out += pattern.substr(at, open - at);
    const size_t close = pattern.find('}', open);
    out += string_member(record, pattern.substr(open + 1, close - open - 1), where);
    at = close + 1;
  }
  return out + std::string(pattern.substr(at));
}

bool fits(const RecordFormat& format, const Json& record) {
  for (const std::string_view part : {format.prompt, format.completion}) {
    for (const std::string& key : keys_of(part)) {
      if (key != format.optional && !has(record, key)) return false;
    }
  }
  return true;
}

}  // namespace

std::span<const RecordFormat> record_formats() { return kFormats; }

const RecordFormat& find_format(const std::string& name) {
  std::vector<std::string> names;
  for (const RecordFormat& format : kFormats) {
    if (format.name == name) return format;
    names.emplace_back(format.name);
  }
  throw ConfigError("data.format: unknown format \"" + name + "\"; known: " + join(names, ", "));
}

const RecordFormat& detect_format(const Json& record, const std::string& where) {
  std::string wanted;
  for (const RecordFormat& format : kFormats) {
    if (fits(format, record)) return format;
    std::vector<std::string> keys = keys_of(format.prompt);
    for (const std::string& key : keys_of(format.completion)) keys.push_back(key);
    wanted += (wanted.empty() ? "" : "; ") + std::string(format.name) + ": " + join(keys, ", ");
  }
  throw FormatError(where + ": the record has the keys of no known format (" + wanted + ")");
}

PromptCompletion render(const RecordFormat& format, const Json& record, const std::string& where) {
  const bool without = !format.optional.empty() && string_or(record, format.optional, "", where).empty();
  return {fill(without ? format.prompt_without : format.prompt, record, where), fill(format.completion, record, where)};
}

std::string render_prompt(const RecordFormat& format, const std::string& text) {
  const std::string_view pattern = format.optional.empty() ? format.prompt : format.prompt_without;
  const std::vector<std::string> keys = keys_of(pattern);
  return keys.size() == 1 ? fill(pattern, Json{{keys[0], text}}, "prompt") : text;
}

}  // namespace hellora
