#include "hellora/text/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/text/gguf_merges.h"
#include "hellora/text/gguf_pre.h"
#include "hellora/text/vocabulary.h"

namespace hellora {
namespace {

constexpr const char *kTokens = "tokenizer.ggml.tokens", *kTypes = "tokenizer.ggml.token_type", *kScores = "tokenizer.ggml.scores";
constexpr const char *kMerges = "tokenizer.ggml.merges", *kPre = "tokenizer.ggml.pre", *kModel = "tokenizer.ggml.model";
constexpr const char* kSpaceMark = "\u2581";  // ▁
enum TokenType : uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

/// The vocabulary with its types; tokens behind the last that is in use fill a matrix up and stand for nothing.
struct Vocab {
  std::vector<std::string_view> tokens;
  std::vector<int64_t> types;
};

/// FormatError for a token that is empty or there twice.
void check_tokens(const Vocab& vocab, const std::string& where) {
  std::unordered_map<std::string_view, size_t> places;
  for (size_t i = 0; i < vocab.tokens.size(); ++i) {
    const auto [it, fresh] = places.emplace(vocab.tokens[i], i);
    if (vocab.tokens[i].empty()) throw FormatError(where + ": token " + std::to_string(i) + " is empty");
    if (!fresh) {
      throw FormatError(where + ": tokens " + std::to_string(it->second) + " and " + std::to_string(i) + " are the same text " +
                        dump_json(vocab.tokens[i]));
    }
  }
}

Vocab read_vocab(GgufMetadata& metadata) {
  Vocab vocab{metadata.texts(kTokens), {}};
  const std::string where = metadata.where(kTokens);
  if (vocab.tokens.size() > size_t{kMaxTokenId}) throw FormatError(where + ": more than " + std::to_string(kMaxTokenId) + " tokens");
  if (metadata.has(kTypes)) vocab.types = metadata.integers(kTypes);
  if (!metadata.has(kTypes)) vocab.types.assign(vocab.tokens.size(), kNormal);
  if (vocab.types.size() != vocab.tokens.size()) {
    throw FormatError(metadata.where(kTypes) + " has " + std::to_string(vocab.types.size()) + " elements, and there are " +
                      std::to_string(vocab.tokens.size()) + " tokens");
  }
  for (const int64_t type : vocab.types) {
    if (type < kNormal || type > kByte) throw FormatError(metadata.where(kTypes) + ": " + std::to_string(type) + "; expected 1 to 6");
  }
  while (!vocab.types.empty() && vocab.types.back() == kUnused) {
    vocab.types.pop_back();
    vocab.tokens.pop_back();
  }
  check_tokens(vocab, where);
  return vocab;
}

/// Straight into the container: looking each token up in an ordered object would take quadratic time.
Json vocab_json(const Vocab& vocab) {
  Json out = Json::object();
  auto& members = out.get_ref<Json::object_t&>();
  for (size_t i = 0; i < vocab.tokens.size(); ++i) members.Container::emplace_back(std::string(vocab.tokens[i]), Json(i));
  return out;
}

Json added_tokens(const Vocab& vocab) {
  Json out = Json::array();
  for (size_t i = 0; i < vocab.tokens.size(); ++i) {
    const bool special = vocab.types[i] == kControl || vocab.types[i] == kUnknown;
    if (!special && vocab.types[i] != kUserDefined) continue;
    out.push_back({{"id", i},
                   {"content", std::string(vocab.tokens[i])},
                   {"single_word", false},
                   {"lstrip", false},
                   {"rstrip", false},
                   {"normalized", false},
                   {"special", special}});
  }
  return out;
}

Json bpe_model(const Vocab& vocab, Json merges) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", vocab_json(vocab)},
          {"merges", std::move(merges)}};
}

/// What both kinds of model fill in.
struct Parts {
  Json normalizer, pre_tokenizer, decoder, model;
  bool begins = false;
};

Parts byte_level_parts(GgufMetadata& metadata, const Vocab& vocab) {
  GgufPre pre = find_gguf_pre(metadata.text(kPre), metadata.where(kPre));
  Json merges = Json::array();
  for (const std::string_view merge : metadata.texts(kMerges)) merges.push_back(std::string(merge));
  Parts out{std::move(pre.normalizer), std::move(pre.pre_tokenizer), {}, bpe_model(vocab, std::move(merges)), pre.begins};
  out.model["ignore_merges"] = pre.ignore_merges;
  out.decoder = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  metadata.harmless(kScores);
  metadata.harmless("tokenizer.ggml.add_space_prefix");  // of SentencePiece
  return out;
}

Json sentencepiece_merges(GgufMetadata& metadata, const Vocab& vocab) {
  const std::vector<double> scores = metadata.numbers(kScores);
  if (scores.size() < vocab.tokens.size())
    throw FormatError(metadata.where(kScores) + " has " + std::to_string(scores.size()) + " elements, fewer than there are tokens");
  std::vector<ScoredPiece> pieces;
  for (size_t i = 0; i < vocab.tokens.size(); ++i) {
    if (vocab.types[i] != kNormal && vocab.types[i] != kUserDefined) continue;  // no others come out of a merge
    if (vocab.tokens[i].size() > kLongestPiece) {
      throw FormatError(metadata.where(kTokens) + ": token " + std::to_string(i) + " has " + std::to_string(vocab.tokens[i].size()) +
                        " bytes; expected at most " + std::to_string(kLongestPiece));
    }
    pieces.push_back({vocab.tokens[i], scores[i]});
  }
  Json out = Json::array();
  for (const auto& [left, right] : merges_of_pieces(pieces)) out.push_back(Json::array({std::string(left), std::string(right)}));
  return out;
}

Parts sentencepiece_parts(GgufMetadata& metadata, const Vocab& vocab) {
  for (const char* key : {"tokenizer.ggml.remove_extra_whitespaces", "tokenizer.ggml.treat_whitespace_as_suffix"}) {
    if (metadata.flag_or(key, false)) throw FormatError(metadata.where(key) + ": true is not supported; expected false");
  }
  Parts out{{}, {}, {}, bpe_model(vocab, sentencepiece_merges(metadata, vocab)), true};
  const auto unknown = static_cast<size_t>(
      metadata.integer_or("tokenizer.ggml.unknown_token_id", 0, 0, std::max<int64_t>(0, static_cast<int64_t>(vocab.tokens.size()) - 1)));
  if (!vocab.tokens.empty()) out.model["unk_token"] = std::string(vocab.tokens[unknown]);
  out.model["fuse_unk"] = true;
  out.model["byte_fallback"] = std::find(vocab.types.begin(), vocab.types.end(), kByte) != vocab.types.end();
  const bool prefix = metadata.flag_or("tokenizer.ggml.add_space_prefix", true);
  const Json marks = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceMark}};
  const Json begin = {{"type", "Prepend"}, {"prepend", kSpaceMark}};
  out.normalizer = {{"type", "Sequence"}, {"normalizers", prefix ? Json::array({begin, marks}) : Json::array({marks})}};
  const Json spaces = {{"type", "Replace"}, {"pattern", {{"String", kSpaceMark}}}, {"content", " "}};
  Json decoders = Json::array({spaces, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}});
  if (prefix) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  out.decoder = {{"type", "Sequence"}, {"decoders", std::move(decoders)}};
  metadata.harmless(kPre);  // "default"
  metadata.harmless(kMerges);
  return out;
}

/// A special token that the metadata names by its id.
std::optional<int64_t> special_id(GgufMetadata& metadata, const char* name, const Vocab& vocab) {
  const std::string key = std::string("tokenizer.ggml.").append(name).append("_token_id");
  if (!metadata.has(key)) return std::nullopt;
  return metadata.integer(key, 0, static_cast<int64_t>(vocab.tokens.size()) - 1);
}

Json template_token(std::string_view token) { return {{"SpecialToken", {{"id", std::string(token)}, {"type_id", 0}}}}; }

/// What stands around a text: begin, end, both or nothing.
Json post_processor(const Vocab& vocab, std::optional<int64_t> begin, std::optional<int64_t> end, bool byte_level) {
  if (!begin && !end)
    return byte_level ? Json{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}} : Json();
  Json single = Json::array(), pair = Json::array(), tokens = Json::object();
  const auto put = [&](std::optional<int64_t> id, int type) {
    if (!id) return;
    const std::string text(vocab.tokens[static_cast<size_t>(*id)]);
    if (type == 0) single.push_back(template_token(text));
    pair.push_back({{"SpecialToken", {{"id", text}, {"type_id", type}}}});
    tokens[text] = {{"id", text}, {"ids", {*id}}, {"tokens", {text}}};
  };
  put(begin, 0);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  pair.push_back(single.back());
  put(end, 0);
  put(begin, 1);
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  put(end, 1);
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", tokens}};
}

/// tokenizer_config.json and special_tokens_map.json.
void write_configs(GgufMetadata& metadata, const Vocab& vocab, GgufTokenizer& out) {
  constexpr auto kNames = std::to_array<std::pair<const char*, const char*>>(
      {{"bos", "bos_token"}, {"eos", "eos_token"}, {"unknown", "unk_token"}, {"padding", "pad_token"}});
  out.config = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
  out.special_tokens = Json::object();
  for (const auto& [name, key] : kNames) {
    const std::optional<int64_t> id = special_id(metadata, name, vocab);
    if (!id) continue;
    const std::string text(vocab.tokens[static_cast<size_t>(*id)]);
    out.config[key] = out.special_tokens[key] = text;
  }
  out.config["clean_up_tokenization_spaces"] = false;
  if (metadata.has("tokenizer.chat_template")) out.config["chat_template"] = std::string(metadata.text("tokenizer.chat_template"));
}

Parts read_parts(GgufMetadata& metadata, const Vocab& vocab) {
  const std::string_view model = metadata.text(kModel);
  if (model == "gpt2") return byte_level_parts(metadata, vocab);
  if (model == "llama") return sentencepiece_parts(metadata, vocab);
  throw FormatError(metadata.where(kModel).append(": \"").append(model).append("\" is not supported; expected \"gpt2\" or \"llama\""));
}

}  // namespace

GgufTokenizer read_gguf_tokenizer(GgufMetadata& metadata) {
  const Vocab vocab = read_vocab(metadata);
  Parts parts = read_parts(metadata, vocab);
  GgufTokenizer out{
      {}, {}, {}, static_cast<int64_t>(vocab.tokens.size()), special_id(metadata, "bos", vocab), special_id(metadata, "padding", vocab),
      {}};
  for (const char* name : {"eos", "eot"}) {
    const std::optional<int64_t> id = special_id(metadata, name, vocab);
    if (id && std::find(out.ends.begin(), out.ends.end(), *id) == out.ends.end()) out.ends.push_back(*id);
  }
  const bool begins = metadata.flag_or("tokenizer.ggml.add_bos_token", parts.begins);
  const bool ends = metadata.flag_or("tokenizer.ggml.add_eos_token", false);
  if (begins && metadata.has("tokenizer.ggml.add_bos_token") && !out.bos)
    throw FormatError(metadata.where("tokenizer.ggml.bos_token_id") + " is missing, and add_bos_token asks for it");
  const bool byte_level = parts.decoder["type"] == "ByteLevel";
  const std::optional<int64_t> eos = special_id(metadata, "eos", vocab);
  out.tokenizer = {{"version", "1.0"},
                   {"truncation", nullptr},
                   {"padding", nullptr},
                   {"added_tokens", added_tokens(vocab)},
                   {"normalizer", std::move(parts.normalizer)},
                   {"pre_tokenizer", std::move(parts.pre_tokenizer)},
                   {"post_processor", post_processor(vocab, begins ? out.bos : std::nullopt, ends ? eos : std::nullopt, byte_level)},
                   {"decoder", std::move(parts.decoder)},
                   {"model", std::move(parts.model)}};
  write_configs(metadata, vocab, out);
  return out;
}

}  // namespace hellora
