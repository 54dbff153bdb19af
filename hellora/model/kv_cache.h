// Keys and values of the sequences of a running generation. A: kv heads, C: head width, P: positions so far.
#pragma once

#include <utility>
#include <vector>

#include "hellora/tensor/torch.h"

namespace hellora {

class KvCache {
 public:
  KvCache(int64_t layers, int64_t sequences);
  /// Appends rows (length, A, C) and returns all keys and values so far, each (P, A, C).
  std::pair<Tensor, Tensor> append(int64_t layer, int64_t sequence, const Tensor& k_TAC, const Tensor& v_TAC);
  /// Positions held for a sequence (before the pass that is running).
  int64_t length(int64_t sequence) const;

 private:
  struct Entry {
    Tensor k, v;  // (capacity, A, C)
    int64_t length = 0;
  };
  int64_t sequences_;
  std::vector<Entry> entries_;  // layer-major
};

}  // namespace hellora
