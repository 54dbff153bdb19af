#include "hellora/text/gguf_merges.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "hellora/core/error.h"
#include "hellora/core/utf8.h"

namespace hellora {
namespace {

struct Candidate {
  std::string_view left, right;
  double score;
  size_t before, after;  // letters of the two
};

void split_piece(const ScoredPiece& piece, const std::unordered_set<std::string_view>& known, std::vector<Candidate>& out) {
  size_t letters = 0, before = 0;
  for (size_t at = 0; at < piece.text.size(); at += utf8_length(piece.text, at)) ++letters;
  for (size_t at = 0; at < piece.text.size();) {
    at += utf8_length(piece.text, at);
    ++before;
    const std::string_view left = piece.text.substr(0, at), right = piece.text.substr(at);
    if (!right.empty() && known.contains(left) && known.contains(right)) {
      out.push_back({left, right, piece.score, before, letters - before});
    }
  }
}

}  // namespace

std::vector<std::pair<std::string_view, std::string_view>> merges_of_pieces(std::span<const ScoredPiece> pieces) {
  std::unordered_set<std::string_view> known;
  for (const ScoredPiece& piece : pieces) known.insert(piece.text);
  std::vector<Candidate> all;
  for (const ScoredPiece& piece : pieces) {
    HELLORA_CHECK(piece.text.size() <= kLongestPiece, "a piece longer than the limit");
    split_piece(piece, known, all);
  }
  std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.score, a.before, a.after) > std::tie(b.score, b.before, b.after);
  });
  std::vector<std::pair<std::string_view, std::string_view>> out;
  out.reserve(all.size());
  for (const Candidate& one : all) out.emplace_back(one.left, one.right);
  return out;
}

}  // namespace hellora
