// Routing arithmetic on raw rows: top-k choice and the stable order that brings each expert's rows together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hellora::kernels {

/// Chooses the k largest of each row, largest first; equal values go to the lower expert id. NaN counts as smallest.
/// prob_TE: rows x experts. ids_TK receives the choices.
template <class Real>
void top_k(const Real* prob_TE, int64_t rows, int64_t experts, int64_t k, int64_t* ids_TK);

/// The rows of a MoE block sorted by expert. Row n of the sorted order is (token, slot) = divmod(source_N[n], k).
struct ExpertOrder {
  std::vector<int64_t> source_N;   // sorted row -> token * k + slot
  std::vector<int64_t> sorted_TK;  // the inverse
  std::vector<int64_t> token_N;    // sorted row -> token
  std::vector<int64_t> offsets;    // experts + 1 borders, by ordinal
};

/// Stable counting sort of all (token, slot) pairs by the ordinal of their expert. `ordinal_E[e]` is the position of
/// expert e in the block's order (adapted experts first).
ExpertOrder sort_by_expert(std::span<const int64_t> ids_TK, int64_t k, std::span<const int64_t> ordinal_E);

}  // namespace hellora::kernels
