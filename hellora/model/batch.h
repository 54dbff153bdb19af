// Rows of tokens for one forward pass: several documents (or sequences of a cache) packed one after the other.
#pragma once

#include <span>
#include <vector>

#include "hellora/tensor/torch.h"

namespace hellora {

/// Rows [start, start + length) attend to each other only, and to the cache of `sequence`.
struct Segment {
  int64_t start = 0, length = 0;
  int64_t sequence = 0;
};

struct Batch {
  Tensor ids_T, positions_T;  // int64
  std::vector<Segment> segments;
};

/// Packs whole documents; positions start at `past` (0 without a cache) of each sequence.
Batch make_batch(std::span<const std::vector<int64_t>> documents, std::span<const int64_t> past = {});

/// The same from rows that are packed already: anything with ids, positions and documents {start, length}.
template <class Packed>
Batch to_batch(const Packed& packed) {
  Batch batch;
  batch.ids_T = at::tensor(packed.ids, at::TensorOptions(at::kLong));
  batch.positions_T = at::tensor(packed.positions, at::TensorOptions(at::kLong));
  for (const auto& document : packed.documents) {
    batch.segments.push_back({document.start, document.length, static_cast<int64_t>(batch.segments.size())});
  }
  return batch;
}

}  // namespace hellora
