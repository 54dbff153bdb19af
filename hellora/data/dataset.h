// Records turned into token rows with labels: what training and evaluation read.
#pragma once

#include <string>
#include <vector>

#include "hellora/data/row.h"

namespace hellora {

/// One document. target[i] is the id to predict after ids[0..i], or kIgnore; the last one has none.
struct Example {
  std::vector<int64_t> ids, targets;
  int64_t record = 0;  // number of the record in its file set, from 0
  int64_t supervised() const;
};

struct Dataset {
  std::vector<Example> examples;
  std::string format;   // resolved; empty when files differ
  int64_t records = 0;  // read
  int64_t skipped_long = 0, truncated = 0, skipped_empty = 0;
  int64_t split = 0;  // conversations that needed several rows, see chat_rows
  uint64_t hash = 0;  // of the token rows and targets
  int64_t tokens() const;
  int64_t supervised() const;
};

/// Reads, renders and tokenises. DataError when no row is left, or when a row is too long under `too_long: error`.
/// `vocab` is the model's: an id outside it is a DataError. `chat` renders conversations; null is an error once there is one.
Dataset load_dataset(const std::vector<std::string>& files, const DataConfig& config, const Tokenizer& tokenizer, int64_t vocab,
                     const ChatTemplate* chat = nullptr);

/// "1,234 examples (56 skipped: longer than 512 tokens)" for people.
std::string describe(const Dataset& dataset);

}  // namespace hellora
