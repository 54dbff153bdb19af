#include "hellora/data/dataset.h"

#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/text.h"
#include "hellora/io/jsonl.h"

namespace hellora {
namespace {

struct Reader {
  const DataConfig& config;
  int64_t vocab;
  RowMaker maker;
  Dataset out;

  void record(const Json& value, const std::string& where) {
    std::vector<TokenRow> rows = maker.rows(value, where);
    if (rows.size() > 1) ++out.split;
    for (TokenRow& row : rows) add(std::move(row), where);
    ++out.records;
  }

  void add(TokenRow row, const std::string& where) {
    if (!shorten(row, where)) return;
    check_ids(row, where);
    Example example{std::move(row.ids), {}, out.records};
    example.targets.assign(example.ids.size(), kIgnore);
    for (size_t i = 0; i + 1 < example.ids.size(); ++i) example.targets[i] = row.labels[i + 1];
    if (example.supervised() == 0) {
      ++out.skipped_empty;
    } else {
      out.examples.push_back(std::move(example));
    }
  }

  bool shorten(TokenRow& row, const std::string& where) {
    const auto limit = static_cast<size_t>(config.max_length);
    if (row.ids.size() <= limit) return true;
    if (config.too_long == "error") {
      throw DataError(where + ": " + std::to_string(row.ids.size()) + " tokens; data.max_length is " + std::to_string(limit));
    }
    if (config.too_long == "skip") {
      ++out.skipped_long;
      return false;
    }
    row.ids.resize(limit);
    row.labels.resize(limit);
    ++out.truncated;
    return true;
  }

  void check_ids(const TokenRow& row, const std::string& where) const {
    for (const std::vector<int64_t>* ids : {&row.ids, &row.labels}) {
      for (const int64_t id : *ids) {
        if (id < vocab) continue;
        throw DataError(where + ": token id " + std::to_string(id) + " is outside the model's vocabulary of " + std::to_string(vocab) +
                        "; the tokenizer belongs to another model");
      }
    }
  }

  void file(const std::string& name) {
    maker.begin_file();
    for_each_json_line(name, [&](int64_t line, const Json& value) { record(value, name + ":" + std::to_string(line)); });
    if (maker.format() == nullptr) return;  // an empty file
    const std::string format(maker.format()->name);
    if (!formats_differ && !out.format.empty() && out.format != format) formats_differ = true;
    out.format = formats_differ ? "" : format;
  }

  bool formats_differ = false;
};

}  // namespace

int64_t Example::supervised() const {
  return static_cast<int64_t>(std::count_if(targets.begin(), targets.end(), [](int64_t t) { return t != kIgnore; }));
}

int64_t Dataset::tokens() const {
  int64_t total = 0;
  for (const Example& example : examples) total += static_cast<int64_t>(example.ids.size());
  return total;
}

int64_t Dataset::supervised() const {
  int64_t total = 0;
  for (const Example& example : examples) total += example.supervised();
  return total;
}

Dataset load_dataset(const std::vector<std::string>& files, const DataConfig& config, const Tokenizer& tokenizer, int64_t vocab,
                     const ChatTemplate* chat) {
  Reader reader{config, vocab, RowMaker(config, tokenizer, chat), {}};
  for (const std::string& file : files) reader.file(file);
  Dataset& out = reader.out;
  if (out.examples.empty()) {
    throw DataError(join(files, ", ") + ": no usable row (" + std::to_string(out.records) + " read, " + std::to_string(out.skipped_long) +
                    " longer than data.max_length " + std::to_string(config.max_length) + ", " + std::to_string(out.skipped_empty) +
                    " without a supervised token)");
  }
  for (const Example& example : out.examples) {
    out.hash = hash_bytes(std::as_bytes(std::span(example.ids)), out.hash);
    out.hash = hash_bytes(std::as_bytes(std::span(example.targets)), out.hash);
  }
  return out;
}

std::string describe(const Dataset& dataset) {
  std::string text = with_commas(static_cast<long long>(dataset.examples.size())) + " examples, " + with_commas(dataset.tokens()) +
                     " tokens (" + with_commas(dataset.supervised()) + " supervised)";
  if (dataset.skipped_long > 0) text += ", " + with_commas(dataset.skipped_long) + " skipped as too long";
  if (dataset.truncated > 0) text += ", " + with_commas(dataset.truncated) + " truncated";
  if (dataset.skipped_empty > 0) text += ", " + with_commas(dataset.skipped_empty) + " skipped without a supervised token";
  if (dataset.split > 0) text += ", " + with_commas(dataset.split) + " conversations in several rows (the template rewrites earlier turns)";
  return text;
}

}  // namespace hellora
