#include "hellora/cli/inspect_data.h"

#include <unistd.h>

#include <iostream>

#include "hellora/cli/table.h"
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/printable.h"
#include "hellora/core/terminal.h"
#include "hellora/core/text.h"
#include "hellora/data/row.h"
#include "hellora/io/jsonl.h"

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

}  // namespace

void inspect_data(const InspectData& options, bool json) {
  const Tokenizer tokenizer = Tokenizer::load(options.model);
  const std::optional<ChatTemplate> chat = resolve_chat_template(options.data, options.model);
  RowMaker maker(options.data, tokenizer, chat ? &*chat : nullptr);
  const Marks marks{!json && colours_on(STDOUT_FILENO)};
  std::vector<size_t> lengths;
  size_t supervised = 0, total = 0;
  Json rows = Json::array(), formats = Json::object();
  for (const std::string& file : options.files) {
    maker.begin_file();
    for_each_json_line(file, [&](int64_t line, const Json& record) {
      const std::string where = file + ":" + std::to_string(line);
      if (maker.format() == nullptr) maker.begin_file(record, where);
      for (const TokenRow& row : maker.rows(record, where)) {
        const size_t own = static_cast<size_t>(std::count_if(row.labels.begin(), row.labels.end(), [](int64_t l) { return l != kIgnore; }));
        lengths.push_back(row.ids.size());
        supervised += own;
        total += row.ids.size();
        if (static_cast<int64_t>(lengths.size()) > options.shown) continue;
        const std::string text = row.text.empty() ? tokenizer.decode(row.ids) : row.text;
        rows.push_back({{"where", where}, {"text", text}, {"ids", row.ids}, {"labels", row.labels}});
        if (json) continue;
        std::cout << printable(where) << ", format " << maker.format()->name << ": " << row.ids.size() << " tokens, " << own
                  << " supervised\n"
                  << row_text(row, tokenizer, marks) << "\n\n";
      }
    });
    if (maker.format() != nullptr) formats[file] = std::string(maker.format()->name);
  }
  if (lengths.empty()) throw DataError(join(options.files, ", ") + ": no record");
  if (json) {
    std::cout << dump_json({{"formats", formats}, {"rows", rows}, {"lengths", lengths}, {"tokens", total}, {"supervised", supervised}})
              << "\n";
    return;
  }
  const auto longer =
      std::count_if(lengths.begin(), lengths.end(), [&](size_t n) { return static_cast<int64_t>(n) > options.data.max_length; });
  std::cout << histogram(lengths) << with_commas(static_cast<long long>(lengths.size())) << " rows, "
            << with_commas(static_cast<long long>(total)) << " tokens, " << with_commas(static_cast<long long>(supervised))
            << " supervised, " << longer << " longer than " << options.data.max_length
            << "; chat template: " << (chat ? printable(chat->where()) : "none") << "\n";
}

}  // namespace hellora
