#include "hellora/text/tokenizer.h"

#include <atomic>

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"
#include "hellora/io/paths.h"
#include "hellora/text/added_tokens.h"
#include "hellora/text/bpe.h"
#include "hellora/text/decoder.h"
#include "hellora/text/end_of_text.h"
#include "hellora/text/normalizer.h"
#include "hellora/text/piece_cache.h"
#include "hellora/text/post_processor.h"
#include "hellora/text/pre_tokenizer.h"
#include "hellora/text/spelling.h"
#include "hellora/text/tokenizer_config.h"

namespace hellora {
namespace {

namespace fs = std::filesystem;

Json read_json(const fs::path& path) {
  if (!path_exists(path)) throw FormatError(path.string() + ": cannot be read; a model folder needs tokenizer.json");
  return parse_json(read_text(path), path.string());
}

/// The part of the file under `key`, null if it is not there.
const Json& part(const Json& json, const char* key) {
  static const Json none;
  return json.contains(key) ? json[key] : none;
}

uint32_t next_number() {
  static std::atomic<uint32_t> last = 0;
  return ++last;
}

}  // namespace

struct Tokenizer::Impl {
  Impl(const Json& json, const std::string& where, const TokenizerConfig& config)
      : pre_tokenizer(parse_pre_tokenizer(part(json, "pre_tokenizer"), where + ": pre_tokenizer")),
        bpe(member(json, "model", where), where + ": model", pre_tokenizer.byte_level),
        normalizer(parse_normalizer(part(json, "normalizer"), where + ": normalizer")),
        decoder(parse_decoder(part(json, "decoder"), where + ": decoder")),
        post(parse_post_processor(part(json, "post_processor"), where + ": post_processor")),
        added(read_added(json, where, config)),
        raw_tokens(added, false),
        normal_tokens(added, true),
        spelling(normalizer, pre_tokenizer, bool_or(member(json, "model", where), "byte_fallback", false, where)) {
    bpe.vocab().for_each([&](std::string_view token, TokenId id) { place(id, token, where); });
    for (const AddedToken& token : added) place(token.id, token.content, where);
    known_ids.reserve(tokens.size());
    for (const auto& token : tokens) known_ids.push_back(token.has_value() ? 1 : 0);  // `tokens` is large
    added_ids.resize(tokens.size(), 0);
    special_ids.resize(tokens.size(), 0);
    for (const AddedToken& token : added) {
      tokens[static_cast<size_t>(token.id)] = token.match;
      added_ids[static_cast<size_t>(token.id)] = 1;
      special_ids[static_cast<size_t>(token.id)] = token.special;
    }
    for (size_t i = 0; i < tokens.size(); ++i) spelling.add(tokens[i].value_or(""), added_ids[i] != 0);
    joins_bytes = pre_tokenizer.byte_level && decoder.size() == 1 && std::holds_alternative<ByteLevelDecode>(decoder[0]);
    for (const std::vector<int64_t>* ids : {&post.before, &post.after}) {
      for (const int64_t id : *ids) {
        if (!is_token(id)) throw FormatError(where + ": post_processor: id " + std::to_string(id) + " is no token of the tokenizer");
      }
    }
    name_specials(config);
  }

  bool is_token(int64_t id) const { return id >= 0 && id < static_cast<int64_t>(tokens.size()) && known_ids[static_cast<size_t>(id)] != 0; }

  std::vector<AddedToken> read_added(const Json& json, const std::string& where, const TokenizerConfig& config) const {
    std::vector<AddedToken> read = parse_added_tokens(part(json, "added_tokens"), where + ": added_tokens");
    add_tokens(config, bpe.vocab(), read);
    for (AddedToken& token : read) {
      if (token.normalized) token.match = normalize(normalizer, token.content);
    }
    return read;
  }

  void place(int64_t id, std::string_view token, const std::string& where) {
    if (static_cast<size_t>(id) >= tokens.size()) tokens.resize(static_cast<size_t>(id) + 1);
    auto& slot = tokens[static_cast<size_t>(id)];
    if (slot && *slot != token) throw FormatError(where + ": id " + std::to_string(id) + " belongs to two tokens");
    slot.emplace(token);
  }

  void name_specials(const TokenizerConfig& config) {
    const auto id = [&](const char* key) {
      return config.specials.contains(key) ? find(config.specials[key].get<std::string>()) : std::nullopt;
    };
    eos = id("eos_token");
    bos = id("bos_token");
    pad = id("pad_token");
  }

  void look_for_eos(const fs::path& file) {
    EndOfText found = find_end_of_text(file.parent_path(), added, [this](int64_t id) { return is_token(id); });
    eos = found.id;
    if (!eos) no_eos = file.string() + ": " + found.missing;
  }

  std::optional<int64_t> find(std::string_view token) const {
    for (const AddedToken& one : added) {
      if (one.content == token) return one.id;
    }
    return bpe.vocab().find(token);
  }

  void encode_text(std::string_view text, bool at_start, std::vector<int64_t>& ids) const {
    const std::string normal = normalize(normalizer, text);
    for (const TextPart& one : normal_tokens.cut(normal)) {
      if (one.id >= 0) {
        ids.push_back(one.id);
      } else {
        encode_piece(one.text, 0, pre_tokenizer.by_position && at_start && one.text.data() == normal.data(), ids);
      }
    }
  }

  /// Stages of the pre-tokenizer, then cuts, then merges; what comes out of any of them depends on the piece alone, so that
  /// short ones are remembered at each. `at_start` counts only where a stage asks for it. `missed`: an earlier stage remembers this
  /// very piece.
  void encode_piece(std::string_view piece, size_t stage, bool at_start, std::vector<int64_t>& ids, bool missed = false) const {
    const bool keep = !missed && piece.size() <= PieceCache::kMaxText && stage < kCachedStages && !at_start;
    const auto level = static_cast<uint8_t>(stage);
    if (keep && piece_cache().find(number, level, piece, ids)) return;
    const size_t before = ids.size(), last = pre_tokenizer.stages.size();
    const auto go_on = [&](std::string_view inner, bool starts) {
      encode_piece(inner, stage + 1, starts, ids, (keep || missed) && !starts && inner.size() == piece.size());
    };
    if (stage < last) {
      apply_stage(pre_tokenizer.stages[stage], piece, at_start,
                  [&](std::string_view inner, bool starts) { go_on(inner, starts && pre_tokenizer.by_position); });
    } else if (const size_t cut = stage == last ? bpe.next_cut(piece, 0) : piece.size(); cut < piece.size()) {
      for (size_t begin = 0, end = cut; begin < piece.size(); begin = end, end = bpe.next_cut(piece, begin))
        go_on(piece.substr(begin, end - begin), false);
    } else {
      bpe.encode(piece, ids);
    }
    if (keep) piece_cache().put(number, level, piece, ids, before);
  }

  std::string decode_next(DecodeStream& stream, int64_t id, bool skip_special) const {
    if (!is_token(id)) return {};
    const auto i = static_cast<size_t>(id);
    if (skip_special && special_ids[i] != 0) return {};
    const std::optional<std::string>& token = tokens[i];
    return stream.push(token ? *token : std::string_view(), added_ids[i] != 0);
  }

  /// Where decoding puts the bytes of tokens one after the other and does no more.
  std::string decode_bytes(std::span<const int64_t> ids, bool skip_special) const {
    std::string text;
    for (const int64_t id : ids) {
      if (!is_token(id)) continue;
      const std::string_view one = spelling.of(id);
      if (!skip_special || special_ids[static_cast<size_t>(id)] == 0) text += one;
    }
    return is_utf8(text) ? text : replace_broken_utf8(text);
  }

  void check_id(int64_t id) const {
    if (!is_token(id)) throw DataError("token id " + std::to_string(id) + " is not in the vocabulary");
  }

  static constexpr size_t kCachedStages = 16;

  uint32_t number = next_number();  // who owns an entry of the cache
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  Normalizer normalizer;
  Decoder decoder;
  PostProcessor post;
  std::vector<AddedToken> added;
  AddedTokenSet raw_tokens, normal_tokens;
  std::vector<std::optional<std::string>> tokens;  // by id
  std::vector<uint8_t> known_ids, added_ids, special_ids;
  Spelling spelling;
  bool joins_bytes = false;  // decoding puts the bytes of tokens one after the other and does no more
  std::optional<int64_t> eos, bos, pad;
  std::string no_eos;  // why
};

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const fs::path& path) {
  const fs::path file = is_folder(path) ? path / "tokenizer.json" : path;
  auto impl = std::make_unique<Impl>(read_json(file), file.string(), read_tokenizer_config(file.parent_path(), Unknown::warn));
  if (!impl->eos) impl->look_for_eos(file);
  return Tokenizer(std::move(impl));
}

std::vector<int64_t> Tokenizer::encode(std::string_view text, bool add_special) const {
  if (!is_utf8(text)) throw DataError("text to tokenise is not valid UTF-8");
  std::vector<int64_t> ids;
  if (add_special) ids = impl_->post.before;
  for (const TextPart& one : impl_->raw_tokens.cut(text)) {
    if (one.id >= 0) {
      ids.push_back(one.id);
    } else {
      impl_->encode_text(one.text, one.text.data() == text.data(), ids);
    }
  }
  if (add_special) ids.insert(ids.end(), impl_->post.after.begin(), impl_->post.after.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const int64_t> ids, bool skip_special) const {
  if (!skip_special) {
    for (const int64_t id : ids) impl_->check_id(id);
  }
  if (impl_->joins_bytes) return impl_->decode_bytes(ids, skip_special);
  DecodeStream stream(impl_->decoder);
  std::string text;
  for (const int64_t id : ids) text += impl_->decode_next(stream, id, skip_special);
  return text + stream.finish();
}

std::optional<std::vector<TextSpan>> Tokenizer::places(std::span<const int64_t> ids, std::string_view text) const {
  for (const int64_t id : ids) impl_->check_id(id);
  return impl_->spelling.places(ids, text);
}

std::optional<int64_t> Tokenizer::id_of(std::string_view token) const { return impl_->find(token); }
int64_t Tokenizer::vocab_size() const { return static_cast<int64_t>(impl_->tokens.size()); }
std::optional<int64_t> Tokenizer::eos() const { return impl_->eos; }
int64_t Tokenizer::end_of_text() const {
  if (const std::optional<int64_t>& id = impl_->eos) return *id;
  throw FormatError(impl_->no_eos);
}
std::optional<int64_t> Tokenizer::bos() const { return impl_->bos; }
std::optional<int64_t> Tokenizer::pad() const { return impl_->pad; }

struct StreamDecoder::State {
  const Tokenizer& tokenizer;
  DecodeStream stream;
};

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer)
    : state_(std::make_unique<State>(State{tokenizer, DecodeStream(tokenizer.impl_->decoder)})) {}
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;
StreamDecoder::~StreamDecoder() = default;

std::string StreamDecoder::push(int64_t id) { return state_->tokenizer.impl_->decode_next(state_->stream, id, false); }
std::string StreamDecoder::finish() { return state_->stream.finish(); }

}  // namespace hellora
