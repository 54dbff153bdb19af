// Frozen weights in one arena, packed once: the only copy that forward and backward read.
#pragma once

#include "hellora/tensor/low_rank.h"

namespace hellora {

class FrozenWeights {
 public:
  /// Room for `bytes` of packed weights; more is added in further blocks when it does not suffice.
  explicit FrozenWeights(int64_t bytes = 0);
  /// Room for a matrix (out, in) that the caller fills in the packed layout.
  kernels::Packed reserve(int64_t out, int64_t in, kernels::WeightType store);
  /// Packs a matrix (out, in) of any float dtype.
  kernels::Packed add(const Tensor& w_OI, kernels::WeightType store);
  /// Bytes of all matrices, padding included.
  int64_t bytes() const;
  /// The first block, for probes of memory.
  std::span<const std::byte> first_block() const {
    return blocks_.empty() ? std::span<const std::byte>() : std::span<const std::byte>(blocks_[0].data(), used_[0]);
  }
  /// Hash of everything in the arena.
  uint64_t hash() const;

 private:
  std::vector<kernels::Block> blocks_;
  std::vector<size_t> used_;
};

/// The matrix (n, k) as the kernels see it, in fp32 (fp64 for fp64 stores); for tests and reports.
Tensor dense(const kernels::Packed& w);

}  // namespace hellora
