// Keys and values (or what stands for them) of the sequences of a running generation. A: kv heads, C: width, P: positions so far.
#pragma once

#include <utility>
#include <vector>

#include "hellora/tensor/torch.h"

namespace hellora {

class KvCache {
 public:
  KvCache(int64_t layers, int64_t sequences);
  /// Appends rows (length, A, C) and returns all keys and values so far, each (P, A, C); the two may differ in A and C.
  std::pair<Tensor, Tensor> append(int64_t layer, int64_t sequence, const Tensor& k_TAC, const Tensor& v_TAC);
  /// Positions held for a sequence (before the pass that is running).
  int64_t length(int64_t sequence) const;
  /// A weight that a layer prepares once for the whole generation.
  Tensor& layer_weight(int64_t layer) { return weights_[static_cast<size_t>(layer)]; }

 private:
  struct Entry {
    Tensor k, v;  // (capacity, A, C)
    int64_t length = 0;
  };
  int64_t sequences_;
  std::vector<Entry> entries_;  // layer-major
  std::vector<Tensor> weights_;
};

}  // namespace hellora
