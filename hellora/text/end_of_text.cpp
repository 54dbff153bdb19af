#include "hellora/text/end_of_text.h"

#include <algorithm>
#include <array>

#include "hellora/core/error.h"
#include "hellora/core/json.h"
#include "hellora/core/text.h"
#include "hellora/io/paths.h"

namespace hellora {
namespace {

namespace fs = std::filesystem;

// GPT-2, GPT-NeoX, OLMo and Qwen; Llama, Mistral and Mixtral; Llama 3; DeepSeek; Gemma.
constexpr std::array<std::string_view, 5> kNames = {"<|endoftext|>", "</s>", "<|end_of_text|>", "<｜end▁of▁sentence｜>", "<eos>"};
constexpr std::array<const char*, 2> kFiles = {"generation_config.json", "config.json"};

/// eos_token_id of a file that may be absent.
std::optional<int64_t> id_in(const fs::path& file, const std::function<bool(int64_t)>& is_token) {
  if (!path_exists(file)) return std::nullopt;
  const Json json = parse_json(read_text(file), file.string());
  if (!has(json, "eos_token_id")) return std::nullopt;
  const bool list = json["eos_token_id"].is_array();
  const std::vector<int64_t> ids =
      list ? ints_member(json, "eos_token_id", file.string()) : std::vector<int64_t>{int_member(json, "eos_token_id", file.string())};
  if (ids.empty()) return std::nullopt;
  if (!is_token(ids[0])) throw FormatError(file.string() + ": eos_token_id " + std::to_string(ids[0]) + " is no token of the tokenizer");
  return ids[0];
}

}  // namespace

EndOfText find_end_of_text(const fs::path& folder, std::span<const AddedToken> added, const std::function<bool(int64_t)>& is_token) {
  for (const char* name : kFiles) {
    if (const std::optional<int64_t> id = id_in(folder / name, is_token)) return {id, {}};
  }
  std::vector<std::string> found;
  std::optional<int64_t> id;
  for (const AddedToken& token : added) {
    if (!token.special || std::find(kNames.begin(), kNames.end(), token.content) == kNames.end()) continue;
    found.push_back(token.content);
    id = token.id;
  }
  if (found.size() == 1) return {id, {}};
  std::string missing = "no end-of-text token: looked for eos_token in tokenizer_config.json and special_tokens_map.json, eos_token_id in ";
  missing.append(join(std::vector<std::string>(kFiles.begin(), kFiles.end()), " and ")).append(", and one special token of ");
  missing.append(join(std::vector<std::string>(kNames.begin(), kNames.end()), " "))
      .append("; found ")
      .append(found.empty() ? "none" : join(found, " and "));
  return {std::nullopt, missing};
}

}  // namespace hellora
