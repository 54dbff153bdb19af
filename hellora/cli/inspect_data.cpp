#include "hellora/cli/inspect_data.h"

#include <unistd.h>

#include <iostream>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/core/printable.h"
#include "hellora/core/terminal.h"
#include "hellora/core/text.h"
#include "hellora/data/dataset.h"
#include "hellora/data/row.h"
#include "hellora/io/records.h"
#include "hellora/recipe/table.h"

namespace hellora {
namespace {

/// How a token is shown. On a terminal neighbours differ in shade and supervised ones are green; elsewhere tokens are parted by
/// bars and runs of supervised ones stand between « and ».
struct Marks {
  bool colour;
  std::string token(const std::string& text, bool supervised, bool odd) const {
    if (!colour) return text + "|";
    const char* code = supervised ? (odd ? "\x1b[30;102m" : "\x1b[30;42m") : (odd ? "\x1b[97;100m" : "\x1b[37;40m");
    return std::string(code).append(text).append("\x1b[0m");
  }
  std::string border(bool begins) const { return colour ? "" : begins ? "«" : "»"; }
};

/// A line break is shown and kept; what else could act on a terminal is shown and not done.
std::string visible(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "⏎\n" : c == '\t' ? "⇥" : std::string(1, c);
  return printable_lines(out);
}

std::string row_text(const TokenRow& row, const Tokenizer& tokenizer, const Marks& marks) {
  StreamDecoder stream(tokenizer);
  std::string out;
  bool inside = false;
  for (size_t i = 0; i < row.ids.size(); ++i) {
    const std::string text = stream.push(row.ids[i]) + (i + 1 == row.ids.size() ? stream.finish() : "");
    if (row.supervised(i) != inside) out += marks.border(!inside);
    inside = row.supervised(i);
    out += marks.token(visible(text), inside, i % 2 == 1);
  }
  return out + (inside ? marks.border(false) : "");
}

std::string histogram(std::vector<size_t> lengths) {
  constexpr size_t kBars = 8, kWidth = 40;
  std::sort(lengths.begin(), lengths.end());
  const size_t step = lengths.back() / kBars + 1;
  std::vector<size_t> counts(lengths.back() / step + 1);
  for (const size_t one : lengths) ++counts[one / step];
  const size_t most = *std::max_element(counts.begin(), counts.end());
  std::vector<std::vector<std::string>> rows = {{"tokens", "rows", ""}};
  for (size_t b = 0; b < counts.size(); ++b) {
    rows.push_back({std::to_string(b * step).append("–").append(std::to_string((b + 1) * step - 1)), std::to_string(counts[b]),
                    std::string(counts[b] * kWidth / most, '#')});
  }
  return format_table(rows);
}

/// What is seen of all files.
class Inspection {
 public:
  Inspection(const InspectData& options, bool json)
      : options_(options),
        json_(json),
        tokenizer_(Tokenizer::load(options.model)),
        chat_(resolve_chat_template(options.data, options.model)),
        maker_(options_.data, tokenizer_, chat_ ? &*chat_ : nullptr),
        marks_{!json && ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr} {}

  void file(const std::string& name) {
    maker_.begin_file();
    RecordReader records(name);
    for (std::string text; records.next(text);) usable_record(text, name + ":" + std::to_string(records.number()));
    if (maker_.format() != nullptr) formats_[printable(name)] = std::string(maker_.format()->name);
  }

  void finish() const {
    if (lengths_.empty()) {
      throw DataError(
          join(options_.files, ", ") +
          (bad_ > 0 ? ": no usable record (" + std::to_string(bad_) + " bad ones, the first: " + first_bad_[0] + ")" : ": no record"));
    }
    log_skipped(bad_, first_bad_);
    if (!unread_.empty()) {
      const std::vector<std::string> keys(unread_.begin(), unread_.end());
      log_warn("keys of the records that are not read: " + printable(join(keys, ", ")));
    }
    if (json_) {
      Json out = {{"formats", formats_}, {"rows", rows_}, {"lengths", lengths_}, {"tokens", total_}, {"supervised", supervised_}};
      if (options_.data.on_error == "skip") out["skipped_bad"] = bad_;
      std::cout << dump_json(out) << "\n";
      return;
    }
    const auto longer =
        std::count_if(lengths_.begin(), lengths_.end(), [&](size_t n) { return static_cast<int64_t>(n) > options_.data.max_length; });
    std::cout << histogram(lengths_) << with_commas(static_cast<long long>(lengths_.size())) << " rows, "
              << with_commas(static_cast<long long>(total_)) << " tokens, " << with_commas(static_cast<long long>(supervised_))
              << " supervised, " << longer << " longer than " << options_.data.max_length
              << (bad_ > 0 ? ", " + with_commas(bad_) + " records skipped as bad" : "")
              << "; chat template: " << (chat_ ? printable(chat_->where()) : "none") << "\n";
  }

 private:
  void usable_record(const std::string& text, const std::string& where) {
    if (options_.data.on_error != "skip") return record(parse_record(text, where), where);
    try {
      record(parse_record(text, where), where);
    } catch (const FormatError& error) {
      skip(error);
    } catch (const DataError& error) {
      skip(error);
    }
  }

  void skip(const Error& error) {
    if (bad_++ < static_cast<int64_t>(Dataset::kNamed)) first_bad_.emplace_back(error.what());
  }

  /// Whatever can be wrong with the record is found before anything of it is counted or shown.
  void record(const Json& value, const std::string& where) {
    if (maker_.format() == nullptr) maker_.begin_file(value, where);
    std::vector<std::string> unread;
    std::vector<TokenRow> rows = maker_.rows(value, where, unread);
    for (size_t i = 0; i < rows.size() && shows(lengths_.size() + i); ++i) decode(rows[i], where);
    unread_.insert(unread.begin(), unread.end());
    for (const TokenRow& row : rows) {
      const size_t own = static_cast<size_t>(std::count_if(row.labels.begin(), row.labels.end(), [](int64_t l) { return l != kIgnore; }));
      if (shows(lengths_.size())) show(row, own, where);
      lengths_.push_back(row.ids.size());
      supervised_ += own;
      total_ += row.ids.size();
    }
  }

  bool shows(size_t row) const { return static_cast<int64_t>(row) < options_.shown; }

  void decode(TokenRow& row, const std::string& where) const {
    if (!row.text.empty()) return;
    try {
      row.text = tokenizer_.decode(row.ids);
    } catch (const DataError& error) {
      throw DataError(where + ": " + error.what());  // an id that the tokenizer does not know
    }
  }

  void show(const TokenRow& row, size_t own, const std::string& where) {
    if (json_) {
      rows_.push_back({{"where", printable(where)}, {"text", row.text}, {"ids", row.ids}, {"labels", row.labels}});
      return;
    }
    std::cout << printable(where) << ", format " << maker_.format()->name << ": " << row.ids.size() << " tokens, " << own << " supervised\n"
              << row_text(row, tokenizer_, marks_) << "\n\n";
  }

  const InspectData& options_;
  bool json_;
  Tokenizer tokenizer_;
  std::optional<ChatTemplate> chat_;
  RowMaker maker_;
  Marks marks_;
  std::vector<size_t> lengths_;
  size_t supervised_ = 0, total_ = 0;
  Json rows_ = Json::array(), formats_ = Json::object();
  std::set<std::string> unread_;
  int64_t bad_ = 0;  // records left out
  std::vector<std::string> first_bad_;
};

}  // namespace

void inspect_data(const InspectData& options, bool json) {
  Inspection inspection(options, json);
  for (const std::string& file : options.files) inspection.file(file);
  inspection.finish();
}

}  // namespace hellora
