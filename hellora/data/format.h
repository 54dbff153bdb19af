// Record formats: which keys a JSON record has and how it becomes prompt and completion text. A table, one row each.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "hellora/core/json.h"
#include "hellora/data/conversation.h"

namespace hellora {

/// What a record becomes: text through the row's own templates, a conversation for a chat template, or token ids as they are.
enum class RecordShape : uint8_t { text, chat, ids };

struct RecordFormat {
  std::string_view name;
  RecordShape shape = RecordShape::text;
  // Text: `{key}` in the templates stands for a member, text or a number. An empty prompt means that the whole text is supervised.
  std::string_view prompt{}, completion{};
  std::string_view optional{};  // a key that may be absent or empty: then `prompt_without` is used
  std::string_view prompt_without{};
  // The others: keys, separated by blanks, that a record must have, and keys of which it must have one.
  std::string_view keys{}, any{};
  bool lists = false;  // and one of `keys` is a list
  Conversation (*conversation)(const Json&, const std::string& where) = nullptr;
  std::string_view more{};  // further keys that it reads, separated by blanks
};

std::span<const RecordFormat> record_formats();
/// ConfigError lists the known names.
const RecordFormat& find_format(const std::string& name);
/// The first format whose keys the record has; FormatError names `where`, what it probably is, and what was looked for.
const RecordFormat& detect_format(const Json& record, const std::string& where);

struct PromptCompletion {
  std::string prompt, completion;
};
/// True for the keys that a format makes something of.
bool reads_key(const RecordFormat& format, std::string_view key);
/// For rows of text; a number is the text that JSON writes. FormatError when a key is missing or something else, or when an instruction
/// has a `system` or `history`, which only the row `alpaca` reads.
PromptCompletion render(const RecordFormat& format, const Json& record, const std::string& where);

/// The prompt of a format whose prompt has one key, with `text` in its place; `text` itself for other formats, chats included.
std::string render_prompt(const RecordFormat& format, const std::string& text);

}  // namespace hellora
