#include "hellora/data/row.h"

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/data/chat_rows.h"
#include "hellora/data/marks.h"
#include "hellora/data/record_keys.h"

namespace hellora {
namespace {

std::string template_names() {
  std::vector<std::string> names;
  for (const NamedTemplate& one : named_templates()) names.emplace_back(one.name);
  return join(names, ", ");
}

}  // namespace

std::optional<ChatTemplate> resolve_chat_template(const DataConfig& config, const std::filesystem::path& model) {
  if (config.chat_template == "auto") return ChatTemplate::load(model);
  return ChatTemplate::choose(config.chat_template, model);
}

const RecordFormat& RowMaker::decide(const Json& record, const std::string& where) const {
  return config_.format == "auto" ? detect_format(record, where) : find_format(config_.format);
}

void RowMaker::begin_file(const Json& first, const std::string& where) { format_ = &decide(first, where); }

std::vector<TokenRow> RowMaker::rows(const Json& record, const std::string& where) const {
  std::vector<std::string> unread;
  return rows(record, where, unread);
}

std::vector<TokenRow> RowMaker::rows(const Json& record, const std::string& where, std::vector<std::string>& unread) const {
  const RecordFormat& format = format_ != nullptr ? *format_ : decide(record, where);
  check_record_keys(format, record, where, unread);
  switch (format.shape) {
    case RecordShape::text: return {text_row(format, record, where)};
    case RecordShape::ids: return {ids_row(record, config_.train_on == "all", where)};
    case RecordShape::chat: break;
  }
  if (chat_ == nullptr) {
    throw ConfigError(where + ": records of format " + std::string(format.name) +
                      " need a chat template and the model has none; set data.chat_template to a file or one of " + template_names());
  }
  return chat_rows(*chat_, tokenizer_, format.conversation(record, where), config_.train_on, where);
}

TokenRow RowMaker::text_row(const RecordFormat& format, const Json& record, const std::string& where) const {
  PromptCompletion text = render(format, record, where);
  TokenRow row;
  // The beginning-of-text mark, where a tokenizer adds one, comes once: with the prompt, or with the text when there is none.
  if (!text.prompt.empty()) row.ids = tokenizer_.encode(text.prompt, true);
  const size_t prompt = row.ids.size();
  const std::vector<int64_t> completion = tokenizer_.encode(text.completion, text.prompt.empty());
  row.ids.insert(row.ids.end(), completion.begin(), completion.end());
  row.ids.push_back(tokenizer_.end_of_text());
  row.labels = row.ids;
  if (config_.train_on != "all") std::fill_n(row.labels.begin(), prompt, kIgnore);
  if (!is_trained(record, where)) std::fill(row.labels.begin(), row.labels.end(), kIgnore);
  row.text = std::move(text.prompt);
  row.text += text.completion;
  return row;
}

}  // namespace hellora
