#include "hellora/kernels/route.h"

#include <cmath>
#include <limits>

#include "hellora/core/error.h"

namespace hellora::kernels {

template <class Real>
void top_k(const Real* prob_TE, int64_t rows, int64_t experts, int64_t k, int64_t* ids_TK) {
  HELLORA_CHECK(k >= 1 && k <= experts, "top-k must lie between 1 and the number of experts");
  std::vector<Real> left(static_cast<size_t>(experts));
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t e = 0; e < experts; ++e) {
      const Real p = prob_TE[t * experts + e];
      left[static_cast<size_t>(e)] = std::isnan(p) ? -std::numeric_limits<Real>::max() : p;
    }
    for (int64_t slot = 0; slot < k; ++slot) {
      int64_t best = 0;
      for (int64_t e = 1; e < experts; ++e) {
        if (left[static_cast<size_t>(e)] > left[static_cast<size_t>(best)]) best = e;  // strict: ties keep the lower id
      }
      ids_TK[t * k + slot] = best;
      left[static_cast<size_t>(best)] = -std::numeric_limits<Real>::infinity();
    }
  }
}

template void top_k<float>(const float*, int64_t, int64_t, int64_t, int64_t*);
template void top_k<double>(const double*, int64_t, int64_t, int64_t, int64_t*);

ExpertOrder sort_by_expert(std::span<const int64_t> ids_TK, int64_t k, std::span<const int64_t> ordinal_E) {
  const size_t rows = ids_TK.size();
  ExpertOrder order;
  order.source_N.resize(rows);
  order.sorted_TK.resize(rows);
  order.token_N.resize(rows);
  order.offsets.assign(ordinal_E.size() + 1, 0);
  for (const int64_t id : ids_TK) ++order.offsets[static_cast<size_t>(ordinal_E[static_cast<size_t>(id)]) + 1];
  for (size_t j = 1; j < order.offsets.size(); ++j) order.offsets[j] += order.offsets[j - 1];
  std::vector<int64_t> next(order.offsets.begin(), order.offsets.end() - 1);
  for (size_t i = 0; i < rows; ++i) {
    const int64_t n = next[static_cast<size_t>(ordinal_E[static_cast<size_t>(ids_TK[i])])]++;
    order.source_N[static_cast<size_t>(n)] = static_cast<int64_t>(i);
    order.token_N[static_cast<size_t>(n)] = static_cast<int64_t>(i) / k;
    order.sorted_TK[i] = n;
  }
  return order;
}

}  // namespace hellora::kernels
