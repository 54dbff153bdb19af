#include "hellora/data/chat_rows.h"

namespace hellora {
namespace {

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
  const std::optional<std::vector<TextSpan>> places = tokenizer.places(row.ids, text);
  if (!places) return piecewise(tokenizer, std::move(text), spans);
  row.labels.assign(row.ids.size(), kIgnore);
  size_t span = 0;
  for (size_t i = 0; i < row.ids.size(); ++i) {
    const auto [begin, end] = (*places)[i];
    while (span < spans.size() && spans[span].end <= begin) ++span;
    if (span < spans.size() && end > spans[span].begin && spans[span].begin < spans[span].end) row.labels[i] = row.ids[i];
  }
  row.text = std::move(text);
  return row;
}

}  // namespace hellora
