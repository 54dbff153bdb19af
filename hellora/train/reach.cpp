#include "hellora/train/reach.h"

namespace hellora {

Reach find_reach(const PackedBatch& batch) {
  Reach reach;
  reach.reaches_T.assign(batch.ids.size(), 0);
  reach.supervised_T.assign(batch.ids.size(), 0);
  for (const Document& document : batch.documents) {
    bool seen = false;
    for (int64_t i = document.length; i-- > 0;) {
      const auto t = static_cast<size_t>(document.start + i);
      const bool supervised = batch.targets[t] != kIgnore;
      seen |= supervised;
      reach.supervised_T[t] = supervised;
      reach.reaches_T[t] = seen;
      reach.supervised += supervised;
      reach.reaching += seen;
    }
  }
  return reach;
}

}  // namespace hellora
