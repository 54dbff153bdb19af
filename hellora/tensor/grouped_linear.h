// Linear maps of rows in groups, each group with its own weights: the experts of a layer, or all rows as one group. Frozen packed
// weights, low-rank parts as extra columns of the same product, or trainable weights packed for the pass.
// N rows sorted by group, I in, O out, R rank.
#pragma once

#include <span>
#include <vector>

#include "hellora/tensor/low_rank.h"

namespace hellora {

/// One map of every group: y = x Wᵀ, with W (O, I) the trainable one where `own` has it, else the frozen one, plus a low-rank part.
struct GroupedMap {
  std::vector<kernels::Packed> frozen;  // by group
  std::vector<LowRank> low_rank{};      // of the first groups; empty: no group has one
  std::vector<Tensor> own{};            // trainable weights of the first groups in place of the frozen ones; empty: none
  Tensor gate_NR{};                     // of the rows of groups with a low-rank part: a factor of each rank; undefined: ones
};

/// Which rows belong together.
struct RowGroups {
  std::vector<int64_t> offsets;   // borders of the groups
  std::vector<int64_t> row_N;     // the input row that each row reads; empty: its own number
  std::vector<int64_t> sequence;  // with row_N: groups in the order in which gradients of one input row are added up
};

/// One output (N, O) per map, of one input x. Low-rank parts read x_low, the first groups' rows in sorted order, where that is
/// defined. Gradients flow to x, x_low, the gates, and every A, B and own. `compute.math` rounds operands to bf16; sums are fp32.
std::vector<Tensor> grouped_linear(const Tensor& x, const Tensor& x_low_NI, const RowGroups& groups, std::span<const GroupedMap> maps,
                                   const Compute& compute);

/// The same with all rows as one group.
std::vector<Tensor> linear(const Tensor& x_NI, const Tensor& x_low_NI, std::span<const GroupedMap> maps, const Compute& compute);

/// x Wᵀ by a frozen weight.
Tensor linear(const Tensor& x_NI, const kernels::Packed& frozen, const Compute& compute);

}  // namespace hellora
