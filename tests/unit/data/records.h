// Records written to a file and read as a dataset with the small tokenizer: a byte is a token, end of text is 300.
#pragma once

#include "hellora/data/dataset.h"
#include "hellora/data/packing.h"
#include "tests/unit/text/small.h"

namespace hellora::testing {

inline constexpr int64_t kEos = 300, kVocab = 301;

inline const Tokenizer& byte_tokenizer() {
  static const Tokenizer tokenizer = [] {
    Json json = small_tokenizer();
    json["model"]["merges"] = Json::array();
    return load_small(json);
  }();
  return tokenizer;
}

inline Dataset load_lines(const std::string& lines, const DataConfig& config = {}, const Tokenizer& tokenizer = byte_tokenizer(),
                          int64_t vocab = kVocab) {
  const TempFolder folder;
  return load_dataset({put_file(folder / "rows.jsonl", lines).string()}, config, tokenizer, vocab);
}

/// A row's ids or targets, to compare.
inline Ids wide(std::span<const int32_t> row) { return {row.begin(), row.end()}; }

/// The supervised tokens as text, with | for end of text.
inline std::string supervised_text(const Example& example) {
  std::string out;
  for (const int32_t target : example.targets) {
    if (target != kIgnore) out += target == kEos ? '|' : static_cast<char>(target);
  }
  return out;
}

inline std::string whole_text(const Example& example) {
  std::string out;
  for (const int32_t id : example.ids) out += id == kEos ? '|' : static_cast<char>(id);
  return out;
}

}  // namespace hellora::testing
