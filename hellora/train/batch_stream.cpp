#include "hellora/train/batch_stream.h"

namespace hellora {

std::vector<PackedBatch> BatchStream::next(int64_t* epoch, int64_t* batch) {
  const Dataset& data = *schedule_.data;
  load(*epoch);
  if (*batch >= static_cast<int64_t>(batches_.size())) {
    *batch = 0;
    load(++*epoch);
  }
  std::vector<PackedBatch> out;
  while (*batch < static_cast<int64_t>(batches_.size()) && static_cast<int64_t>(out.size()) < schedule_.grad_accumulation) {
    out.push_back(pack(data, batches_[static_cast<size_t>((*batch)++)]));
  }
  // The next step's rows come from the disk while this one computes.
  for (size_t i = 0, b = static_cast<size_t>(*batch); i < out.size() && b + i < batches_.size(); ++i) will_need(data, batches_[b + i]);
  return out;
}

void BatchStream::load(int64_t epoch) {
  if (loaded_ == epoch) return;
  batches_ = epoch_batches(*schedule_.data, schedule_.packing, schedule_.seed, epoch);
  loaded_ = epoch;
}

}  // namespace hellora
