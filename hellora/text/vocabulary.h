// Tokens by text. One block of memory and a flat table: a vocabulary of 150 000 loads several times faster than into a node-based map.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hellora {

using TokenId = int32_t;
inline constexpr int64_t kMaxTokenId = (1 << 21) - 1;  // the largest vocabularies have 2^18 tokens; tables by id take memory

class Vocabulary {
 public:
  /// Room for so many tokens with so many bytes together.
  void reserve(size_t tokens, size_t bytes);
  /// The token must not be there yet.
  void add(std::string_view token, TokenId id);
  std::optional<TokenId> find(std::string_view token) const;
  void for_each(const std::function<void(std::string_view token, TokenId id)>& visit) const;

 private:
  struct Entry {
    size_t begin, length;
    uint64_t hash;
    TokenId id;
  };
  std::string_view text_of(const Entry& entry) const { return std::string_view(bytes_).substr(entry.begin, entry.length); }
  void place(uint32_t index);

  std::string bytes_;  // of all tokens
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // index of an entry + 1; 0: free; at most half full
};

}  // namespace hellora
