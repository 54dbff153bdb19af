#include "hellora/model/batch.h"

namespace hellora {

Batch make_batch(std::span<const std::vector<int64_t>> documents, std::span<const int64_t> past) {
  std::vector<int64_t> ids, positions;
  Batch batch;
  for (size_t d = 0; d < documents.size(); ++d) {
    const int64_t first = past.empty() ? 0 : past[d];
    batch.segments.push_back({static_cast<int64_t>(ids.size()), static_cast<int64_t>(documents[d].size()), static_cast<int64_t>(d)});
    for (size_t i = 0; i < documents[d].size(); ++i) {
      ids.push_back(documents[d][i]);
      positions.push_back(first + static_cast<int64_t>(i));
    }
  }
  batch.ids_T = at::tensor(ids, at::TensorOptions(at::kLong));
  batch.positions_T = at::tensor(positions, at::TensorOptions(at::kLong));
  return batch;
}

}  // namespace hellora
