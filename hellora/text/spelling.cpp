#include "hellora/text/spelling.h"

#include <algorithm>

#include "hellora/text/byte_level.h"
#include "hellora/text/decoder.h"

namespace hellora {
namespace {

bool continues(std::string_view text, size_t at) { return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80; }

}  // namespace

Spelling::Spelling(const Normalizer& normalizer, const PreTokenizer& pre_tokenizer, bool fallback)
    : byte_level_(pre_tokenizer.byte_level), fallback_(fallback && !byte_level_) {
  for (const NormalizerStep& step : normalizer) {
    if (std::holds_alternative<PrependStep>(step)) prefix_ = Prefix::always;
    const auto* replace = std::get_if<ReplaceStep>(&step);
    if (replace != nullptr && replace->literal == " ") mark_ = replace->content;
  }
  for (const PreStage& stage : pre_tokenizer.stages) {
    if (std::holds_alternative<PrefixSpace>(stage)) prefix_ = Prefix::where_absent;
    const auto* metaspace = std::get_if<Metaspace>(&stage);
    if (metaspace == nullptr) continue;
    mark_ = metaspace->replacement;
    if (metaspace->prepend != PrependScheme::never) prefix_ = Prefix::where_absent;
    only_first_ = metaspace->prepend == PrependScheme::first;
  }
}

void Spelling::add(std::string_view token, bool is_added) {
  const std::optional<char> byte = fallback_ && !is_added ? fallback_byte(token) : std::nullopt;
  if (byte) {
    bytes_ += *byte;
  } else if (is_added || (mark_.empty() && !byte_level_)) {
    bytes_ += token;
  } else if (byte_level_) {
    bytes_ += bytes_of_token(token);
  } else {
    for (size_t at = 0, end = 0; at <= token.size(); at = end + mark_.size()) {
      end = std::min(token.find(mark_, at), token.size());
      bytes_.append(token.substr(at, end - at)).append(end < token.size() ? " " : "");
    }
  }
  ends_.push_back(static_cast<uint32_t>(bytes_.size()));
  added_.push_back(is_added);
}

std::string_view Spelling::of(int64_t id) const {
  const auto i = static_cast<size_t>(id);
  const size_t begin = i == 0 ? 0 : ends_[i - 1];
  return std::string_view(bytes_).substr(begin, ends_[i] - begin);
}

std::optional<std::vector<TextSpan>> Spelling::places(std::span<const int64_t> ids, std::string_view text) const {
  std::vector<TextSpan> places;
  places.reserve(ids.size());
  bool starts = prefix_ != Prefix::none;  // a stretch between added tokens
  size_t at = 0;
  for (const int64_t id : ids) {
    const bool is_added = added_[static_cast<size_t>(id)];
    std::string_view piece = of(id);
    const bool prefixed = starts && !is_added && (prefix_ == Prefix::always || !text.substr(at).starts_with(' '));
    if (prefixed && piece.starts_with(' ')) piece.remove_prefix(1);
    if (!text.substr(at).starts_with(piece)) return std::nullopt;
    size_t begin = at, end = at += piece.size();
    while (begin > 0 && continues(text, begin)) --begin;
    while (!piece.empty() && continues(text, end)) ++end;
    places.push_back({begin, end});
    starts = is_added && prefix_ != Prefix::none && !only_first_;
  }
  return at == text.size() ? std::optional(std::move(places)) : std::nullopt;
}

}  // namespace hellora
