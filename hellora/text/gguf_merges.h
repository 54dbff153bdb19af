// SentencePiece BPE has scores and no merges: which pairs of pieces make a piece, in the order of tokenizer.json.
#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace hellora {

struct ScoredPiece {
  std::string_view text;
  double score = 0;
};

inline constexpr size_t kLongestPiece = 512;  // bytes; the time is quadratic in it

/// As transformers converts such a model: all pairs of pieces that make a third, by falling score of the whole, then by the falling
/// lengths of the parts; pieces of equal score stay in their order. Pieces are valid UTF-8, different, none longer than the limit.
std::vector<std::pair<std::string_view, std::string_view>> merges_of_pieces(std::span<const ScoredPiece> pieces);

}  // namespace hellora
