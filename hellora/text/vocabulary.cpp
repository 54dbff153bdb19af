#include "hellora/text/vocabulary.h"

namespace hellora {

void Vocabulary::reserve(size_t tokens, size_t bytes) {
  entries_.reserve(tokens);
  bytes_.reserve(bytes);
  size_t slots = 16;
  while (slots < 2 * tokens) slots *= 2;
  slots_.assign(slots, 0);
  for (uint32_t i = 0; i < entries_.size(); ++i) place(i);
}

void Vocabulary::place(uint32_t index) {
  size_t at = entries_[index].hash & (slots_.size() - 1);
  while (slots_[at] != 0) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = index + 1;
}

void Vocabulary::add(std::string_view token, TokenId id) {
  if (2 * (entries_.size() + 1) > slots_.size()) reserve(2 * (entries_.size() + 1), bytes_.size());
  entries_.push_back({bytes_.size(), token.size(), std::hash<std::string_view>{}(token), id});
  bytes_ += token;
  place(static_cast<uint32_t>(entries_.size() - 1));
}

std::optional<TokenId> Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return std::nullopt;
  const uint64_t hash = std::hash<std::string_view>{}(token);
  for (size_t at = hash & (slots_.size() - 1); slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
    const Entry& entry = entries_[slots_[at] - 1];
    if (entry.hash == hash && text_of(entry) == token) return entry.id;
  }
  return std::nullopt;
}

void Vocabulary::for_each(const std::function<void(std::string_view, TokenId)>& visit) const {
  for (const Entry& entry : entries_) visit(text_of(entry), entry.id);
}

}  // namespace hellora
