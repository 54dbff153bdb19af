#include "hellora/data/dataset.h"

#include <algorithm>
#include <exception>

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/log.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"
#include "hellora/io/records.h"

namespace hellora {
namespace {

// Read before they are worked on together. Not more: a block waits for its slowest record, and is held in memory.
constexpr size_t kBlockRecords = 2048, kBlockBytes = size_t{8} << 20;

struct Row {
  std::vector<int64_t> ids, targets;
};

/// One record, and what became of it.
struct Record {
  std::string line, where;
  std::vector<Row> rows;
  std::vector<std::string> unread;  // keys
  std::string bad;                  // why it is skipped
  int64_t skipped_long = 0, truncated = 0, skipped_empty = 0;
  bool split = false;
  std::exception_ptr error;
};

/// What is done to a record by itself, on any thread.
struct Worker {
  const DataConfig& config;
  int64_t vocab;

  void work(const RowMaker& maker, Record& record) const {
    try {
      std::vector<TokenRow> rows;
      if (read(maker, record, rows)) take(std::move(rows), record);
    } catch (...) {
      record.error = std::current_exception();
    }
  }

  /// False when the record itself is at fault and is skipped.
  bool read(const RowMaker& maker, Record& record, std::vector<TokenRow>& rows) const {
    return usable(record, [&] {
      rows = maker.rows(parse_record(record.line, record.where), record.where, record.unread);
      for (const TokenRow& row : rows) check_ids(row, record.where);
    });
  }

  template <class Use>
  bool usable(Record& record, Use&& use) const {
    if (config.on_error != "skip") {
      use();
      return true;
    }
    try {
      use();
      return true;
    } catch (const FormatError& error) {
      record.bad = error.what();
    } catch (const DataError& error) {
      record.bad = error.what();
    }
    return false;
  }

  void take(std::vector<TokenRow> rows, Record& record) const {
    record.split = rows.size() > 1;
    for (TokenRow& row : rows) {
      if (!shorten(row, record)) continue;
      Row out{std::move(row.ids), std::move(row.labels)};
      if (!out.targets.empty()) {
        std::move(out.targets.begin() + 1, out.targets.end(), out.targets.begin());
        out.targets.back() = kIgnore;
      }
      if (std::all_of(out.targets.begin(), out.targets.end(), [](int64_t t) { return t == kIgnore; })) {
        ++record.skipped_empty;
      } else {
        record.rows.push_back(std::move(out));
      }
    }
  }

  bool shorten(TokenRow& row, Record& record) const {
    const auto limit = static_cast<size_t>(config.max_length);
    if (row.ids.size() <= limit) return true;
    if (config.too_long == "error") {
      throw DataError(record.where + ": " + std::to_string(row.ids.size()) + " tokens; data.max_length is " + std::to_string(limit));
    }
    if (config.too_long == "skip") {
      ++record.skipped_long;
      return false;
    }
    row.ids.resize(limit);
    row.labels.resize(limit);
    ++record.truncated;
    return true;
  }

  void check_ids(const TokenRow& row, const std::string& where) const {
    for (const std::vector<int64_t>* ids : {&row.ids, &row.labels}) {
      for (const int64_t id : *ids) {
        if (id < vocab) continue;  // ids below 0 are refused where rows are made
        throw DataError(where + ": token id " + std::to_string(id) + " is outside the model's vocabulary of " + std::to_string(vocab) +
                        "; the tokenizer belongs to another model");
      }
    }
  }
};

struct Reader {
  Worker worker;
  RowMaker maker;
  LoadLimits limits;
  Dataset out;
  bool formats_differ = false;

  void file(const std::string& name) {
    maker.begin_file();
    RecordReader lines(name);
    std::vector<Record> block;
    for (bool more = true; more;) {
      block.clear();
      std::exception_ptr error;
      try {
        more = fill(lines, name, block);
      } catch (...) {
        error = std::current_exception();  // after those of the lines before it
      }
      work(block);
      for (Record& record : block) merge(record);
      if (error) std::rethrow_exception(error);
    }
    out.parts.push_back({out.examples.size()});
    if (maker.format() == nullptr) return;  // an empty file
    const std::string format(maker.format()->name);
    if (!formats_differ && !out.format.empty() && out.format != format) formats_differ = true;
    out.format = formats_differ ? "" : format;
  }

  /// False at the end of the file.
  bool fill(RecordReader& lines, const std::string& name, std::vector<Record>& block) const {
    size_t bytes = 0;
    while (block.size() < kBlockRecords && bytes < kBlockBytes) {
      std::string line;
      if (!lines.next(line)) return false;
      bytes += line.size();
      block.emplace_back();
      block.back().line = std::move(line);
      block.back().where.append(name).append(":").append(std::to_string(lines.number()));
    }
    return true;
  }

  void work(std::vector<Record>& block) {
    if (block.empty()) return;
    for (size_t i = 0; i < block.size() && maker.format() == nullptr; ++i) {
      Record& record = block[i];
      worker.usable(record, [&] { maker.begin_file(parse_record(record.line, record.where), record.where); });
    }
    if (maker.format() == nullptr) return;  // nothing but bad records
    const auto count = static_cast<int64_t>(block.size());
    const auto one = [&](int64_t i) {
      if (Record& record = block[static_cast<size_t>(i)]; record.bad.empty()) worker.work(maker, record);
    };
    // OpenMP's threads stay from block to block, and with them the tokenizer's caches.
    if (limits.threads > 0) {
#pragma omp parallel for schedule(dynamic) num_threads(limits.threads)
      for (int64_t i = 0; i < count; ++i) one(i);
    } else {
#pragma omp parallel for schedule(dynamic)
      for (int64_t i = 0; i < count; ++i) one(i);
    }
  }

  void merge(Record& record) {
    if (record.error) std::rethrow_exception(record.error);
    for (const Row& row : record.rows) out.add(row.ids, row.targets, out.records);
    out.skipped_long += record.skipped_long;
    out.truncated += record.truncated;
    out.skipped_empty += record.skipped_empty;
    out.split += record.split ? 1 : 0;
    for (const std::string& key : record.unread) {
      Dataset::UnreadKey& unread = out.unread[key];
      if (unread.records++ == 0) unread.where = record.where;
    }
    if (!record.bad.empty() && out.skipped_bad++ < static_cast<int64_t>(Dataset::kNamed)) out.first_bad.push_back(record.bad);
    ++out.records;
  }
};

void log_faults(const Dataset& dataset) {
  log_skipped(dataset.skipped_bad, dataset.first_bad);
  constexpr size_t kMost = 12;
  std::vector<std::string> keys;
  for (const auto& [key, unread] : dataset.unread) {
    if (keys.size() == kMost) break;
    keys.push_back("\"" + key + "\" (" + with_commas(unread.records) + " records, first " + unread.where + ")");
  }
  if (dataset.unread.size() > kMost) keys.push_back(std::to_string(dataset.unread.size() - kMost) + " more");
  if (!keys.empty()) log_warn("keys of the records that are not read: " + printable(join(keys, ", ")));
}

}  // namespace

void Dataset::add(std::span<const int64_t> ids, std::span<const int64_t> targets, int64_t record) {
  const StoredRow row = rows->append(ids, targets);
  const auto labels = std::count_if(targets.begin(), targets.end(), [](int64_t t) { return t != kIgnore; });
  examples.push_back({row.ids, row.targets, record, static_cast<int64_t>(labels)});
  hash = hash_bytes(std::as_bytes(ids), hash);  // of 64-bit words: checkpoints hold it
  hash = hash_bytes(std::as_bytes(targets), hash);
}

int64_t Dataset::tokens() const {
  int64_t total = 0;
  for (const Example& example : examples) total += static_cast<int64_t>(example.ids.size());
  return total;
}

int64_t Dataset::supervised() const {
  int64_t total = 0;
  for (const Example& example : examples) total += example.supervised;
  return total;
}

Dataset load_dataset(const std::vector<std::string>& files, const DataConfig& config, const Tokenizer& tokenizer, int64_t vocab,
                     const ChatTemplate* chat, const LoadLimits& limits) {
  Reader reader{{config, vocab}, RowMaker(config, tokenizer, chat), limits, Dataset(limits.rows_in_memory)};
  for (const std::string& file : files) reader.file(file);
  Dataset& out = reader.out;
  if (out.examples.empty()) {
    throw DataError(join(files, ", ") + ": no usable row (" + std::to_string(out.records) + " read, " + std::to_string(out.skipped_long) +
                    " longer than data.max_length " + std::to_string(config.max_length) + ", " + std::to_string(out.skipped_empty) +
                    " without a supervised token" +
                    (out.skipped_bad > 0 ? ", " + std::to_string(out.skipped_bad) + " bad ones, the first: " + out.first_bad[0] : "") +
                    ")");
  }
  log_faults(out);
  return std::move(out);
}

void log_skipped(int64_t count, const std::vector<std::string>& first) {
  for (const std::string& bad : first) log_warn("skipped: " + printable(bad));
  const auto more = count - static_cast<int64_t>(first.size());
  if (more > 0) log_warn("skipped: " + with_commas(more) + " more records with an error");
}

std::string describe(const Dataset& dataset) {
  std::string text = with_commas(static_cast<long long>(dataset.examples.size())) + " examples, " + with_commas(dataset.tokens()) +
                     " tokens (" + with_commas(dataset.supervised()) + " supervised)";
  if (dataset.skipped_long > 0) text += ", " + with_commas(dataset.skipped_long) + " skipped as too long";
  if (dataset.truncated > 0) text += ", " + with_commas(dataset.truncated) + " truncated";
  if (dataset.skipped_empty > 0) text += ", " + with_commas(dataset.skipped_empty) + " skipped without a supervised token";
  if (dataset.skipped_bad > 0) text += ", " + with_commas(dataset.skipped_bad) + " skipped as bad";
  if (dataset.split > 0) text += ", " + with_commas(dataset.split) + " conversations in several rows (the template rewrites earlier turns)";
  return text;
}

Json dataset_facts(const Dataset& dataset) {
  Json out = {{"records", dataset.records},
              {"examples", dataset.examples.size()},
              {"tokens", dataset.tokens()},
              {"supervised", dataset.supervised()},
              {"skipped_long", dataset.skipped_long},
              {"truncated", dataset.truncated},
              {"skipped_empty", dataset.skipped_empty},
              {"skipped_bad", dataset.skipped_bad}};
  out["first_bad"] = Json::array();
  for (const std::string& bad : dataset.first_bad) out["first_bad"].push_back(printable(bad));
  out["unread_keys"] = Json::object();
  for (const auto& [key, unread] : dataset.unread) out["unread_keys"][key] = unread.records;
  return out;
}

}  // namespace hellora
