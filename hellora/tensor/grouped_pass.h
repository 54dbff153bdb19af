// What the directions of every grouped operation share (grouped_linear.cpp, experts.cpp): the rows by group, the weights and factors
// packed for the pass, and the arithmetic of low-rank parts.
#pragma once

#include "hellora/kernels/grouped.h"
#include "hellora/tensor/grouped_linear.h"

namespace hellora {

using kernels::Packed;
using kernels::padded;
using kernels::RowTile;
using kernels::Term;

/// A map with the tensors that autograd sees: a[g], b[g] and own[g] of the first groups.
struct GroupedParams {
  const GroupedMap* map = nullptr;
  std::vector<Tensor> a, b, own;

  bool adapted(int64_t g) const { return static_cast<size_t>(g) < a.size(); }
  int64_t rank(int64_t g) const { return adapted(g) ? a[static_cast<size_t>(g)].size(0) : 0; }
  const LowRank& low_rank(int64_t g) const { return map->low_rank[static_cast<size_t>(g)]; }
  double scale(int64_t g) const { return low_rank(g).scale; }
  /// Whether some factors see another gradient than the input does.
  bool regraded() const;
  int64_t widest() const;
};

/// Tensors of a map in the flat list that autograd sees, and back.
void append_params(const GroupedMap& map, std::vector<Tensor>& out);
GroupedParams take_params(const GroupedMap& map, at::TensorList list, size_t& at);

kernels::Scratch& grouped_scratch();  // of the calling thread

/// One direction of an operation on reals of one type.
template <class Real>
class GroupedPass {
 public:
  GroupedPass(const std::vector<int64_t>& offsets, const Compute& compute, at::ScalarType real)
      : compute_(compute), offsets_(offsets), real_(real), store_(compute.operand_store(real)), rows_(offsets.back()) {}

 protected:
  at::TensorOptions options() const { return at::TensorOptions(real_); }
  int64_t groups() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  int64_t group_rows(int64_t g) const { return offsets_[static_cast<size_t>(g) + 1] - offsets_[static_cast<size_t>(g)]; }
  /// Rows of the first `count` groups.
  int64_t rows_of_first(size_t count) const { return offsets_[count]; }
  static kernels::Rows<Real> plain(const Tensor& x) { return {x.const_data_ptr<Real>(), x.size(1), nullptr}; }
  static kernels::Rows<Real> gathered(const Tensor& x, const std::vector<int64_t>& row_N) {
    return {x.const_data_ptr<Real>(), x.size(1), row_N.empty() ? nullptr : row_N.data()};
  }
  static Real* data(const Tensor& x) { return x.data_ptr<Real>(); }

  /// The weights by group, trainable ones packed for this pass.
  std::vector<Packed> weights(const GroupedParams& params);
  /// Factors packed for this pass: A, and scale · B or its transpose.
  std::vector<Packed> a_packs(const GroupedParams& params);
  std::vector<Packed> b_packs(const GroupedParams& params, bool transposed);
  /// Low-rank activations (or their gradients) of the rows of adapted groups: (rows, widest rank).
  Tensor low_rows(const GroupedParams& params) const;

  template <class Body>
  void for_tiles(const kernels::Operand<Real>& operand, const Body& body) const {
    const auto tiles = static_cast<int64_t>(operand.tiles().size());
#pragma omp parallel for schedule(dynamic)
    for (int64_t t = 0; t < tiles; ++t) body(static_cast<size_t>(t), operand.tiles()[static_cast<size_t>(t)]);
  }

  /// Rows of a tile of `out` = the operand's part at `at` · factorᵀ.
  void low_product(const kernels::Operand<Real>& operand, size_t t, int64_t at, const Packed& factor, const Tensor& out) const;
  /// The same, appended to the operand at `to`, times the rows' gates where they are defined.
  void low_part(const kernels::Operand<Real>& operand, size_t t, int64_t at, const Packed& factor, const Tensor& out, int64_t to,
                const Tensor& gate_NR = {}) const;

  /// v = scale · dy B of the rows of adapted groups, for the gradient of x; and v_a for the gradient of A, where that differs.
  struct LowGradient {
    Tensor v, v_a;
    std::vector<Packed> b, b_a;
  };
  LowGradient low_gradient(const GroupedParams& params);
  /// Computes a tile's rows of both from the operand's part at `at` (dy), and appends v to the operand at `to`.
  void low_gradient_part(const kernels::Operand<Real>& operand, size_t t, int64_t at, const LowGradient& low, int64_t to,
                         const Tensor& gate_NR = {}) const;

  /// Zeros for the gradients of parameters.
  static std::vector<Tensor> zeros_like(const std::vector<Tensor>& params);
  /// Per group of `out`: out += leftᵀ right, or its transpose.
  void outer(const std::vector<Tensor>& out, const Tensor& left, const kernels::Rows<Real>& right, int64_t n, bool transposed) const;
  /// Gradients of B from u and the gradient of the output, which has n columns.
  std::vector<Tensor> gradients_of_b(const GroupedParams& params, const Tensor& u, const kernels::Rows<Real>& dy, int64_t n) const;

  const Compute& compute_;
  const std::vector<int64_t>& offsets_;
  at::ScalarType real_;
  kernels::WeightType store_;
  PassPacks packs_;
  int64_t rows_ = 0;
};

extern template class GroupedPass<float>;
extern template class GroupedPass<double>;

}  // namespace hellora
