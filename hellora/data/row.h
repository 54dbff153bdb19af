// A record as the model sees it: text, token ids, and which of them are learned.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hellora/core/label.h"
#include "hellora/data/config.h"
#include "hellora/data/format.h"
#include "hellora/text/chat_template.h"
#include "hellora/text/tokenizer.h"

namespace hellora {

/// labels[i] is ids[i] where that token is learned (for pre-tokenised records what their labels say), else kIgnore.
struct TokenRow {
  std::string text;
  std::vector<int64_t> ids, labels;
  bool supervised(size_t i) const { return labels[i] != kIgnore; }
};

/// The template that `data.chat_template` names: `auto` is the model's own, which may be none.
std::optional<ChatTemplate> resolve_chat_template(const DataConfig& config, const std::filesystem::path& model);

/// The row of a record of token ids. What attention_mask takes from either end is padding and is cut; `labels`, `prompt_length` and masks
/// of tokens to learn count unless every token is learned (`all`). FormatError for lists of other lengths, masks with holes and positions
/// that are not 0, 1, 2, …: the record would be learned otherwise than it was meant.
TokenRow ids_row(const Json& record, bool all, const std::string& where);

/// Turns records into rows. The settings and the tokenizer must outlive it; `chat` may be null.
class RowMaker {
 public:
  RowMaker(const DataConfig& config, const Tokenizer& tokenizer, const ChatTemplate* chat)
      : config_(config), tokenizer_(tokenizer), chat_(chat) {}
  /// The next file decides the format again, unless `data.format` names one.
  void begin_file() { format_ = nullptr; }
  /// The first record decides the format of the file.
  void begin_file(const Json& first, const std::string& where);
  /// One row; a conversation whose template rewrites earlier turns may need one row per supervised turn. FormatError, DataError and
  /// ConfigError begin with `where`. Safe to use from several threads; a record that no file was begun with has a format of its own.
  /// Keys that nobody reads, and that may matter, are appended to `unread`.
  std::vector<TokenRow> rows(const Json& record, const std::string& where, std::vector<std::string>& unread) const;
  std::vector<TokenRow> rows(const Json& record, const std::string& where) const;
  /// The format of the current file, null before its first record.
  const RecordFormat* format() const { return format_; }

 private:
  const RecordFormat& decide(const Json& record, const std::string& where) const;
  TokenRow text_row(const RecordFormat& format, const Json& record, const std::string& where) const;

  const DataConfig& config_;
  const Tokenizer& tokenizer_;
  const ChatTemplate* chat_;
  const RecordFormat* format_ = nullptr;
};

}  // namespace hellora
