#include "hellora/data/format.h"

#include <algorithm>
#include <array>

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/data/record_keys.h"
#include "hellora/data/turn.h"

namespace hellora {
namespace {

constexpr RecordFormat text(std::string_view name, std::string_view prompt, std::string_view completion, std::string_view optional = {},
                            std::string_view prompt_without = {}) {
  return {name, RecordShape::text, prompt, completion, optional, prompt_without};
}

using Read = Conversation (*)(const Json&, const std::string&);
constexpr RecordFormat chat(std::string_view name, std::string_view keys, std::string_view any, std::string_view more, Read read,
                            bool lists = false) {
  return {name, RecordShape::chat, {}, {}, {}, {}, keys, any, lists, read, more};
}

constexpr std::string_view kBeside = "system system_prompt system_message tools chat_template_kwargs";

// The first that fits is taken: conversations before the text that may stand beside them.
constexpr std::array<RecordFormat, 9> kFormats = {{
    chat("messages", "messages", {}, kBeside, from_messages),
    chat("sharegpt", "conversations", {}, kBeside, from_sharegpt),
    chat("alpaca", "instruction output", "system history system_prompt system_message", "input tools chat_template_kwargs", from_alpaca),
    chat("prompt-messages", "prompt completion", {}, "tools chat_template_kwargs", from_prompt_messages, true),
    {"ids",
     RecordShape::ids,
     {},
     {},
     {},
     {},
     "input_ids",
     {},
     false,
     nullptr,
     "labels prompt_length attention_mask position_ids token_type_ids loss_mask completion_mask assistant_masks assistant_mask"},
    text("gsm8k", "Question: {question}\nAnswer:", " {answer}"),
    text("instruction", "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n", "{output}", "input",
         "### Instruction:\n{instruction}\n\n### Response:\n"),
    text("prompt", "{prompt}", "{completion}"),
    text("text", "", "{text}"),
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
    out += text_member(record, pattern.substr(open + 1, close - open - 1), where);
    at = close + 1;
  }
  return out + std::string(pattern.substr(at));
}

std::vector<std::string> words(std::string_view text) { return text.empty() ? std::vector<std::string>() : split(text, ' '); }

bool is_empty(const Json& record, std::string_view key) {
  return !has(record, key) || record[std::string(key)].empty() || record[std::string(key)] == "";
}

bool fits(const RecordFormat& format, const Json& record) {
  const std::vector<std::string> all = words(format.keys), any = words(format.any);
  if (!std::all_of(all.begin(), all.end(), [&](const std::string& key) { return has(record, key); })) return false;
  if (!any.empty() && std::all_of(any.begin(), any.end(), [&](const std::string& key) { return is_empty(record, key); })) return false;
  if (format.lists && std::none_of(all.begin(), all.end(), [&](const std::string& key) { return record[key].is_array(); })) return false;
  for (const std::string_view part : {format.prompt, format.completion}) {
    for (const std::string& key : keys_of(part)) {
      if (key != format.optional && !has(record, key)) return false;
    }
  }
  return true;
}

/// True when `key` is one of `names`, which blanks separate.
bool is_word(std::string_view names, std::string_view key) {
  for (size_t at = names.find(key); at != std::string_view::npos; at = names.find(key, at + 1)) {
    const size_t end = at + key.size();
    if ((at == 0 || names[at - 1] == ' ') && (end == names.size() || names[end] == ' ')) return true;
  }
  return false;
}

/// True when the key stands in braces.
bool is_filled(std::string_view pattern, std::string_view key) {
  for (size_t at = pattern.find(key); at != std::string_view::npos; at = pattern.find(key, at + 1)) {
    if (at > 0 && pattern[at - 1] == '{' && at + key.size() < pattern.size() && pattern[at + key.size()] == '}') return true;
  }
  return false;
}

}  // namespace

bool reads_key(const RecordFormat& format, std::string_view key) {
  if (key.empty()) return false;
  return is_word(format.keys, key) || is_word(format.any, key) || is_word(format.more, key) || is_filled(format.prompt, key) ||
         is_filled(format.completion, key);
}

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
    std::vector<std::string> keys = words(format.keys);
    for (const std::string& key : keys_of(format.prompt)) keys.push_back(key);
    for (const std::string& key : keys_of(format.completion)) keys.push_back(key);
    wanted += (wanted.empty() ? "" : "; ") + std::string(format.name) + ": " + join(keys, ", ");
  }
  const std::string guess = record.is_object() ? guess_record(record) : "";
  throw FormatError(where + ": the record has the keys of no known format" + (guess.empty() ? "" : ": " + guess) + " (" + wanted + ")");
}

PromptCompletion render(const RecordFormat& format, const Json& record, const std::string& where) {
  HELLORA_CHECK(format.shape == RecordShape::text, "only rows of text have templates of their own");
  if (format.name == "instruction" && fits(find_format("alpaca"), record)) {
    throw FormatError(where + ": format instruction has no place for system and history; data.format=alpaca reads them");
  }
  if (format.name == "prompt" && fits(find_format("prompt-messages"), record))
    throw FormatError(where + ": format prompt takes text, not messages; data.format=prompt-messages reads them");
  const bool without = !format.optional.empty() && is_empty(record, format.optional);
  return {fill(without ? format.prompt_without : format.prompt, record, where), fill(format.completion, record, where)};
}

std::string render_prompt(const RecordFormat& format, const std::string& text) {
  const std::string_view pattern = format.optional.empty() ? format.prompt : format.prompt_without;
  const std::vector<std::string> keys = keys_of(pattern);
  return keys.size() == 1 ? fill(pattern, Json{{keys[0], text}}, "prompt") : text;
}

}  // namespace hellora
