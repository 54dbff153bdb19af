#include "hellora/text/tokenizer.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"
#include "hellora/text/added_tokens.h"
#include "hellora/text/bpe.h"
#include "hellora/text/byte_level.h"
#include "hellora/text/normalizer.h"
#include "hellora/text/pre_tokenizer.h"

namespace hellora {
namespace {

namespace fs = std::filesystem;

Json read_json(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw FormatError(path.string() + ": cannot be read; a model folder needs tokenizer.json");
  std::ostringstream text;
  text << in.rdbuf();
  return parse_json(text.str(), path.string());
}

enum class Normalizer : uint8_t { none, nfc };

Normalizer parse_normalizer(const Json& json, const std::string& where) {
  if (json.is_null()) return Normalizer::none;
  const std::string type = string_member(json, "type", where);
  if (type == "NFC") return Normalizer::nfc;
  if (type == "Sequence" && member(json, "normalizers", where).empty()) return Normalizer::none;
  throw FormatError(where + ": normalizer \"" + type + "\" is not supported");
}

/// Ids that the post-processor puts before a single text; only templates with leading and trailing special tokens occur.
struct PostProcessor {
  std::vector<int64_t> before, after;
};

PostProcessor parse_post_processor(const Json& json, const std::string& where) {
  PostProcessor out;
  if (json.is_null()) return out;
  const std::string type = string_member(json, "type", where);
  if (type == "ByteLevel") return out;
  if (type != "TemplateProcessing") throw FormatError(where + ": post_processor \"" + type + "\" is not supported");
  bool seen_text = false;
  for (const Json& item : member(json, "single", where)) {
    if (has(item, "Sequence")) {
      seen_text = true;
      continue;
    }
    const std::string name = string_member(member(item, "SpecialToken", where), "id", where);
    const Json& special = member(member(json, "special_tokens", where), name, where);
    for (const int64_t id : ints_member(special, "ids", where)) (seen_text ? out.after : out.before).push_back(id);
  }
  return out;
}

void check_decoder(const Json& json, const std::string& where) {
  const std::string type = json.is_null() ? "none" : string_member(json, "type", where);
  if (type != "ByteLevel") throw FormatError(where + ": decoder \"" + type + "\" is not supported; expected \"ByteLevel\"");
}

}  // namespace

struct Tokenizer::Impl {
  Impl(const Json& json, const std::string& where)
      : bpe(member(json, "model", where), where + ": model"),
        added(parse_added_tokens(json.contains("added_tokens") ? json["added_tokens"] : Json(), where)),
        pre_tokenizer(parse_pre_tokenizer(json.contains("pre_tokenizer") ? json["pre_tokenizer"] : Json(), where)),
        normalizer(parse_normalizer(json.contains("normalizer") ? json["normalizer"] : Json(), where + ": normalizer")),
        post(parse_post_processor(json.contains("post_processor") ? json["post_processor"] : Json(), where + ": post_processor")) {
    check_decoder(json.contains("decoder") ? json["decoder"] : Json(), where + ": decoder");
    if (!pre_tokenizer.byte_level)
      throw FormatError(where + ": only byte-level tokenizers are supported (no ByteLevel pre-tokenizer found)");
    for (const auto& [token, id] : bpe.vocab()) place(id, token, where);
    for (const AddedToken& token : added) place(token.id, token.content, where);
    added_ids.resize(tokens.size(), 0);
    special_ids.resize(tokens.size(), 0);
    for (AddedToken& token : added) {
      if (token.normalized && normalizer == Normalizer::nfc) token.match = nfc(token.content);
      tokens[static_cast<size_t>(token.id)] = token.match;
      added_ids[static_cast<size_t>(token.id)] = 1;
      special_ids[static_cast<size_t>(token.id)] = token.special;
    }
  }

  void place(int64_t id, const std::string& token, const std::string& where) {
    if (id > (1 << 24)) throw FormatError(where + ": token id " + std::to_string(id) + " is absurdly large");
    if (static_cast<size_t>(id) >= tokens.size()) tokens.resize(static_cast<size_t>(id) + 1);
    auto& slot = tokens[static_cast<size_t>(id)];
    if (slot && *slot != token) throw FormatError(where + ": id " + std::to_string(id) + " belongs to two tokens");
    slot = token;
  }

  void name_specials(const Json& config, const std::string& where) {
    const auto id = [&](const char* key) -> std::optional<int64_t> {
      if (!has(config, key)) return std::nullopt;
      const std::string name = config[key].is_object() ? string_member(config[key], "content", where) : string_member(config, key, where);
      const std::optional<int64_t> found = find(name);
      if (!found) throw FormatError(where + ": " + key + " \"" + name + "\" is not a token");
      return found;
    };
    eos = id("eos_token");
    bos = id("bos_token");
    pad = id("pad_token");
  }

  std::optional<int64_t> find(std::string_view token) const {
    for (const AddedToken& one : added) {
      if (one.content == token) return one.id;
    }
    const auto it = bpe.vocab().find(std::string(token));
    return it == bpe.vocab().end() ? std::nullopt : std::optional<int64_t>(it->second);
  }

  void encode_text(const std::string& text, std::vector<int64_t>& ids) const {
    const std::string normal = normalizer == Normalizer::nfc ? nfc(text) : text;
    for (const TextPart& part : cut_added_tokens(added, true, normal)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
      } else {
        for (const std::string& piece : pre_tokenize(pre_tokenizer, part.text)) bpe.encode(piece, ids);
      }
    }
  }

  Bpe bpe;
  std::vector<AddedToken> added;
  PreTokenizer pre_tokenizer;
  Normalizer normalizer;
  PostProcessor post;
  std::vector<std::optional<std::string>> tokens;  // by id
  std::vector<uint8_t> added_ids, special_ids;
  std::optional<int64_t> eos, bos, pad;
};

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const fs::path& path) {
  const fs::path file = fs::is_directory(path) ? path / "tokenizer.json" : path;
  auto impl = std::make_unique<Impl>(read_json(file), file.string());
  const fs::path config = file.parent_path() / "tokenizer_config.json";
  if (fs::exists(config)) {
    impl->name_specials(read_json(config), config.string());
  } else {
    impl->eos = impl->find("<|endoftext|>");
  }
  return Tokenizer(std::move(impl));
}

std::vector<int64_t> Tokenizer::encode(std::string_view text, bool add_special) const {
  if (!is_utf8(text)) throw DataError("text to tokenise is not valid UTF-8");
  std::vector<int64_t> ids;
  if (add_special) ids = impl_->post.before;
  for (const TextPart& part : cut_added_tokens(impl_->added, false, std::string(text))) {
    if (part.id >= 0) {
      ids.push_back(part.id);
    } else {
      impl_->encode_text(part.text, ids);
    }
  }
  if (add_special) ids.insert(ids.end(), impl_->post.after.begin(), impl_->post.after.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const int64_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int64_t id : ids) {
    const auto i = static_cast<size_t>(id);
    const auto* token = id >= 0 && i < impl_->tokens.size() ? &impl_->tokens[i] : nullptr;
    if (token == nullptr || !token->has_value()) throw DataError("token id " + std::to_string(id) + " is not in the vocabulary");
    if (skip_special && impl_->special_ids[i] != 0) continue;
    bytes += impl_->added_ids[i] != 0 ? token->value() : from_byte_alphabet(token->value());
  }
  return replace_broken_utf8(bytes);
}

std::optional<int64_t> Tokenizer::id_of(std::string_view token) const { return impl_->find(token); }
int64_t Tokenizer::vocab_size() const { return static_cast<int64_t>(impl_->tokens.size()); }
std::optional<int64_t> Tokenizer::eos() const { return impl_->eos; }
std::optional<int64_t> Tokenizer::bos() const { return impl_->bos; }
std::optional<int64_t> Tokenizer::pad() const { return impl_->pad; }

std::string StreamDecoder::push(int64_t id) {
  pending_.push_back(id);
  std::string text = tokenizer_.decode(pending_);
  // A replacement character at the end may be the first half of a character.
  if (text.ends_with("\xEF\xBF\xBD") && pending_.size() < 8) return {};
  pending_.clear();
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = tokenizer_.decode(pending_);
  pending_.clear();
  return text;
}

}  // namespace hellora
