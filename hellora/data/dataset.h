// Records turned into token rows with labels: what training and evaluation read.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hellora/data/row.h"
#include "hellora/data/token_store.h"

namespace hellora {

/// One document. target[i] is the id to predict after ids[0..i], or kIgnore; the last one has none. The rows are the dataset's.
struct Example {
  std::span<const int32_t> ids, targets;
  int64_t record = 0;      // number of the record in its file set, from 0
  int64_t supervised = 0;  // targets that are not kIgnore
};

struct Dataset {
  Dataset() = default;
  explicit Dataset(size_t rows_in_memory) : rows(std::make_shared<TokenStore>(rows_in_memory)) {}
  /// Appends an example to `examples` and to the hash.
  void add(std::span<const int64_t> ids, std::span<const int64_t> targets, int64_t record);

  std::deque<Example> examples;  // a vector that grows would for a moment take twice as much, which counts for millions of rows
  // Shared, against the style: a part of a dataset (some of its examples) is a cheap copy that must not lose the rows.
  std::shared_ptr<TokenStore> rows = std::make_shared<TokenStore>();
  std::string format;   // resolved; empty when files differ
  int64_t records = 0;  // read
  int64_t skipped_long = 0, truncated = 0, skipped_empty = 0;
  int64_t split = 0;        // conversations that needed several rows, see chat_rows
  int64_t skipped_bad = 0;  // records with an error, under data.on_error: skip
  static constexpr size_t kNamed = 5;
  std::vector<std::string> first_bad;  // the first of them: "FILE:LINE: reason"
  /// Keys of records that nobody reads and that may matter: how many records have each, and where the first one is.
  struct UnreadKey {
    int64_t records = 0;
    std::string where;
  };
  std::map<std::string, UnreadKey> unread;
  /// The examples of each file, one after the other, and how often an epoch takes them (data/mixing.h).
  struct Part {
    size_t end = 0;
    double weight = 1;
  };
  std::vector<Part> parts;
  uint64_t hash = 0;  // of the token rows and targets
  int64_t tokens() const;
  int64_t supervised() const;
};

/// How much a load may take of the machine; the result is the same.
struct LoadLimits {
  int threads = 0;  // 0: as many as OpenMP gives
  size_t rows_in_memory = TokenStore::kInMemory;
};

/// Reads, renders and tokenises, some thousand records at a time: files may be larger than memory. DataError when no row is left, when a
/// row is too long under `too_long: error`, or when the rows have no place (TokenStore). Errors are those of the first bad record; under
/// `on_error: skip` bad records are counted instead, and the first five are logged. `vocab` is the model's: an id outside it is a
/// DataError. `chat` renders conversations; null is an error once there is one. Logs keys of records that were not read.
Dataset load_dataset(const std::vector<std::string>& files, const DataConfig& config, const Tokenizer& tokenizer, int64_t vocab,
                     const ChatTemplate* chat = nullptr, const LoadLimits& limits = {});

/// Names the first records that `on_error: skip` left out, and says how many there are beside them.
void log_skipped(int64_t count, const std::vector<std::string>& first);

/// "1,234 examples (56 skipped: longer than 512 tokens)" for people.
std::string describe(const Dataset& dataset);
/// What of the records became rows and what did not, for reports.
Json dataset_facts(const Dataset& dataset);

}  // namespace hellora
