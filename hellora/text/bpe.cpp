#include "hellora/text/bpe.h"

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"
#include "hellora/text/byte_level.h"

namespace hellora {
namespace {

void refuse(const Json& model, const char* key, const std::string& where) {
  if (model.contains(key) && !model[key].is_null() && model[key] != false && model[key] != "" && model[key] != 0.0) {
    throw FormatError(where + ": BPE option " + key + " is not supported");
  }
}

const Json& model_of(const Json& model, const std::string& where) {
  const std::string type = string_or(model, "type", "BPE", where);
  if (type != "BPE") throw FormatError(where + ": model type \"" + type + "\" is not supported; expected \"BPE\"");
  return model;
}

size_t count_of(const Json& merges, const std::string& where) {
  if (!merges.is_array()) throw FormatError(where + ": merges must be an array");
  return merges.size();
}

/// The two tokens of "a b" or ["a", "b"].
std::pair<std::string_view, std::string_view> pair_of(const Json& merge, const std::string& where) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return {merge[0].get_ref<const std::string&>(), merge[1].get_ref<const std::string&>()};
  if (!merge.is_string()) throw FormatError(where + " must be \"a b\" or [\"a\", \"b\"]");
  const std::string_view text = merge.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
    throw FormatError(where + " must be two tokens with a space between");
  return {text.substr(0, space), text.substr(space + 1)};
}

std::string fallback_name(size_t byte) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

uint32_t last_character(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return decode_utf8(text, at);
}

}  // namespace

Bpe::Bpe(const Json& model, const std::string& where, bool byte_level)
    : byte_level_(byte_level), merges_(count_of(member(model_of(model, where), "merges", where), where)), cuts_(byte_level) {
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) refuse(model, key, where);
  ignore_merges_ = bool_or(model, "ignore_merges", false, where);
  cuttable_ = !ignore_merges_;  // it looks at whole pieces
  byte_fallback_ = bool_or(model, "byte_fallback", false, where);
  fuse_unknown_ = bool_or(model, "fuse_unk", false, where);
  read_vocab(member(model, "vocab", where), where);
  read_unknown(model, where);
  read_merges(member(model, "merges", where), where);
}

void Bpe::read_vocab(const Json& vocab, const std::string& where) {
  if (!vocab.is_object()) throw FormatError(where + ": vocab must be an object of token to id");
  const auto& members = vocab.get_ref<const Json::object_t&>();
  size_t total = 0;
  for (const auto& [token, id] : members) total += token.size();
  vocab_.reserve(members.size(), total);
  for (const auto& [token, id] : members) {
    const bool whole = id.is_number_integer() && (!id.is_number_unsigned() || id.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
    if (!whole || id.get<int64_t>() < 0 || id.get<int64_t>() > kMaxTokenId) {
      throw FormatError(where + ".vocab: id of token \"" + token + "\" must be an integer from 0 to " + std::to_string(kMaxTokenId));
    }
    vocab_.add(token, static_cast<TokenId>(id.get<int64_t>()));
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    const std::string spelled = byte_level_ ? byte_characters()[byte] : std::string(1, static_cast<char>(byte));
    bytes_[byte] = vocab_.find(spelled).value_or(-1);
    fallback_[byte] = byte_fallback_ ? vocab_.find(fallback_name(byte)).value_or(-1) : -1;
    if (byte_level_ && bytes_[byte] >= 0) cuts_.add_known(static_cast<uint32_t>(byte));
  }
  if (byte_level_) return;
  vocab_.for_each([&](std::string_view token, TokenId) {
    if (!token.empty() && utf8_length(token, 0) == token.size()) cuts_.add_known(decode_utf8(token, 0));
  });
}

void Bpe::read_unknown(const Json& model, const std::string& where) {
  const std::string name = string_or(model, "unk_token", "", where);
  if (name.empty()) return;
  unknown_ = vocab_.find(name);
  if (!unknown_) throw FormatError(where + ": unk_token \"" + name + "\" is not in the vocabulary");
}

void Bpe::read_merges(const Json& merges, const std::string& where) {
  const auto id_of = [&](std::string_view token, size_t line) {
    const std::optional<TokenId> id = vocab_.find(token);
    if (!id) {
      throw FormatError(where + ": merge " + std::to_string(line) + " names \"" + std::string(token) +
                        "\", which is not in the vocabulary");
    }
    return *id;
  };
  int32_t rank = 0;
  std::string joined;
  for (size_t i = 0; i < merges.size(); ++i) {
    if (merges[i].is_string() && merges[i].get_ref<const std::string&>().starts_with("#version")) continue;
    const auto [left, right] = pair_of(merges[i], where + ": merge " + std::to_string(i));
    joined.assign(left).append(right);
    const TokenId a = id_of(left, i), b = id_of(right, i);
    merges_.set(a, b, {rank++, id_of(joined, i)});  // of two equal merges the later one holds
    learn_cut(left, right);
    // Tokens that stand for unknown characters and yet merge: their neighbours say nothing about the text's.
    if (stands_in(left, a) || stands_in(right, b)) cuttable_ = false;
  }
}

void Bpe::learn_cut(std::string_view left, std::string_view right) {
  if (left.empty() || right.empty()) return;
  uint32_t before = last_character(left), after = decode_utf8(right, 0);
  if (byte_level_) {
    const std::string bytes = from_byte_alphabet(encode_utf8(before)) + from_byte_alphabet(encode_utf8(after));
    if (bytes.size() != 2) return;  // a character outside the alphabet never occurs
    before = static_cast<unsigned char>(bytes[0]);
    after = static_cast<unsigned char>(bytes[1]);
  }
  cuts_.add_joined(before, after);
}

bool Bpe::stands_in(std::string_view token, TokenId id) const {
  return id == unknown_ || (byte_fallback_ && token.size() == 6 && token.starts_with("<0x") && token.back() == '>');
}

std::optional<TokenId> Bpe::character(std::string_view piece, size_t at, size_t length) const {
  if (length > 1) return vocab_.find(piece.substr(at, length));
  const TokenId id = bytes_[static_cast<unsigned char>(piece[at])];
  return id < 0 ? std::nullopt : std::optional<TokenId>(id);
}

bool Bpe::fall_back(std::string_view character, std::vector<TokenId>& symbols) const {
  if (!byte_fallback_) return false;
  const size_t before = symbols.size();
  for (const char byte : byte_level_ ? to_byte_alphabet(character) : std::string(character)) {
    const TokenId id = fallback_[static_cast<unsigned char>(byte)];
    if (id < 0) {
      symbols.resize(before);
      return false;
    }
    symbols.push_back(id);
  }
  return true;
}

void Bpe::symbols_of(std::string_view piece, std::vector<TokenId>& symbols) const {
  bool pending = false;  // an unknown token that comes before the next known one; bytes do pass it, as in the reference
  const auto flush = [&] {
    if (pending) symbols.push_back(*unknown_);
    pending = false;
  };
  for (size_t at = 0, length = 0; at < piece.size(); at += length) {
    length = byte_level_ ? 1 : utf8_length(piece, at);
    if (const std::optional<TokenId> id = character(piece, at, length)) {
      flush();
      symbols.push_back(*id);
    } else if (!fall_back(piece.substr(at, length), symbols)) {
      if (!unknown_) {
        const std::string_view bytes = piece.substr(at, length);
        throw DataError("the tokenizer has no token for \"" + (byte_level_ ? to_byte_alphabet(bytes) : std::string(bytes)) + "\"");
      }
      if (!fuse_unknown_) flush();
      pending = true;
    }
  }
  flush();
}

void Bpe::encode(std::string_view piece, std::vector<int64_t>& ids) const {
  if (ignore_merges_) {
    if (const std::optional<TokenId> whole = byte_level_ ? vocab_.find(to_byte_alphabet(piece)) : vocab_.find(piece)) {
      ids.push_back(*whole);
      return;
    }
  }
  thread_local std::vector<TokenId> symbols;
  symbols.clear();
  symbols_of(piece, symbols);
  merge_all(merges_, symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace hellora
