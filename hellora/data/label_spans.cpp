#include <algorithm>

#include "hellora/data/chat_rows.h"

namespace hellora {
namespace {

constexpr size_t kMostPerCharacter = 8;  // tokens that share a character: at most one per byte, and one that begins before it
constexpr size_t kBlock = 32;            // tokens that are decoded at once where no border is near

bool has_border(std::span<const TextSpan> spans, size_t begin, size_t end) {
  return std::any_of(spans.begin(), spans.end(), [&](const TextSpan& span) {
    return (begin < span.begin && span.begin < end) || (begin < span.end && span.end < end);
  });
}

/// Where each token's text ends. Tokens that share a character end together, and so may neighbours with no border between them. Nothing
/// when the ids do not decode to the text, which is so where the tokenizer rewrites it (normalisation).
std::optional<std::vector<size_t>> token_ends(const Tokenizer& tokenizer, std::span<const int64_t> ids, std::string_view text,
                                              std::span<const TextSpan> spans) {
  std::vector<size_t> ends(ids.size());
  size_t at = 0;
  size_t one_by_one = 0;  // up to here a block was of no use
  for (size_t first = 0; first < ids.size();) {
    size_t count = std::min(kBlock, ids.size() - first);
    std::string piece;
    if (first >= one_by_one) piece = tokenizer.decode(ids.subspan(first, count));
    if (!text.substr(at).starts_with(piece) || has_border(spans, at, at + piece.size())) piece.clear();
    if (piece.empty() && first >= one_by_one) one_by_one = first + count;
    if (piece.empty()) count = 1;
    for (; piece.empty() && count <= kMostPerCharacter && first + count <= ids.size(); ++count) {
      piece = tokenizer.decode(ids.subspan(first, count));
      if (!piece.empty() && text.substr(at).starts_with(piece)) break;
      piece.clear();
    }
    if (piece.empty()) return std::nullopt;
    at += piece.size();
    for (size_t i = 0; i < count; ++i) ends[first + i] = at;
    first += count;
  }
  return at == text.size() ? std::optional(std::move(ends)) : std::nullopt;
}

/// The same where tokens are bytes of the text: tokens that share a character end together.
std::optional<std::vector<size_t>> byte_ends(const Tokenizer& tokenizer, std::span<const int64_t> ids, std::string_view text) {
  std::vector<size_t> ends(ids.size());
  size_t at = 0, first = 0;  // of the tokens since a character ended
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string_view piece = tokenizer.bytes_of(ids[i]);
    if (!text.substr(at).starts_with(piece)) return std::nullopt;
    at += piece.size();
    if (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    for (; first <= i; ++first) ends[first] = at;
  }
  return at == text.size() ? std::optional(std::move(ends)) : std::nullopt;
}

/// Each stretch of the text encoded by itself: exact labels, though the ids may differ where a token would cross a border.
TokenRow piecewise(const Tokenizer& tokenizer, std::string text, std::span<const TextSpan> spans) {
  TokenRow row;
  const auto add = [&](size_t begin, size_t end, bool learned) {
    const std::vector<int64_t> ids = tokenizer.encode(std::string_view(text).substr(begin, end - begin));
    row.ids.insert(row.ids.end(), ids.begin(), ids.end());
    if (learned) {
      row.labels.insert(row.labels.end(), ids.begin(), ids.end());
    } else {
      row.labels.resize(row.ids.size(), kIgnore);
    }
  };
  size_t at = 0;
  for (const TextSpan& span : spans) {
    add(at, span.begin, false);
    add(span.begin, span.end, true);
    at = span.end;
  }
  add(at, text.size(), false);
  row.text = std::move(text);
  return row;
}

}  // namespace

TokenRow label_spans(const Tokenizer& tokenizer, std::string text, std::span<const TextSpan> spans) {
  TokenRow row;
  row.ids = tokenizer.encode(text);
  const std::optional<std::vector<size_t>> ends =
      tokenizer.joins_bytes() ? byte_ends(tokenizer, row.ids, text) : token_ends(tokenizer, row.ids, text, spans);
  if (!ends) return piecewise(tokenizer, std::move(text), spans);
  row.labels.assign(row.ids.size(), kIgnore);
  size_t span = 0, begin = 0;
  for (size_t i = 0; i < row.ids.size(); ++i) {
    if (i > 0 && (*ends)[i] != (*ends)[i - 1]) begin = (*ends)[i - 1];  // a group of tokens begins where the one before it ended
    while (span < spans.size() && spans[span].end <= begin) ++span;
    if (span < spans.size() && (*ends)[i] > spans[span].begin && spans[span].begin < spans[span].end) row.labels[i] = row.ids[i];
  }
  row.text = std::move(text);
  return row;
}

}  // namespace hellora
