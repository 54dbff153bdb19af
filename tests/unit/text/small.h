// A small byte-level tokenizer as JSON that tests change piece by piece: 256 bytes, a few merges, ids 0 to 255 are the bytes.
#pragma once

#include "hellora/core/json.h"
#include "hellora/text/byte_level.h"
#include "hellora/text/tokenizer.h"
#include "tests/support/helpers.h"

namespace hellora::testing {

inline Json small_tokenizer() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[byte_characters()[static_cast<size_t>(byte)]] = byte;
  const std::vector<std::string> merges = {"t h", "th e", "i n", "in g", "a b", "b c"};
  int64_t id = 256;
  for (const std::string& merge : merges) vocab[merge.substr(0, merge.find(' ')) + merge.substr(merge.find(' ') + 1)] = id++;
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  Json json;
  json["added_tokens"] = Json::array({{{"id", 300}, {"content", "<|endoftext|>"}, {"special", true}, {"normalized", false}}});
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = byte_level;
  json["post_processor"] = nullptr;
  json["decoder"] = {{"type", "ByteLevel"}};
  json["model"] = {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}};
  return json;
}

inline Tokenizer load_text(const std::string& text, const std::string& config = "") {
  const TempFolder folder;
  put_file(folder / "tokenizer.json", text);
  if (!config.empty()) put_file(folder / "tokenizer_config.json", config);
  return Tokenizer::load(folder.path());
}

inline Tokenizer load_small(const Json& json) { return load_text(json.dump()); }

/// The refusal of a tokenizer that `change` has altered.
template <class Change>
std::string refusal_of(Change&& change) {
  Json json = small_tokenizer();
  change(json);
  return error_of<FormatError>([&] { load_small(json); });
}

using Ids = std::vector<int64_t>;

}  // namespace hellora::testing
