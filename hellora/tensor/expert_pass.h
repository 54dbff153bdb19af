// One direction of the experts' operation (experts.h): the state that its steps share, and the steps.
#pragma once

#include <array>

#include "hellora/kernels/grouped.h"
#include "hellora/tensor/experts.h"

namespace hellora {

using kernels::Packed;
using kernels::RowTile;
using kernels::Term;

/// A bank with its tensors: low[j] and own[j] of the first ordinals.
struct ExpertParams {
  const ExpertBank* call = nullptr;
  std::vector<Tensor> a, b, own;

  bool adapted(int64_t j) const { return static_cast<size_t>(j) < a.size(); }
  bool trained(int64_t j) const { return static_cast<size_t>(j) < own.size(); }
  int64_t rank(int64_t j) const { return adapted(j) ? a[static_cast<size_t>(j)].size(0) : 0; }
  double scale(int64_t j) const { return call->low_rank[static_cast<size_t>(j)].scale; }
  int64_t widest() const {
    int64_t most = 0;
    for (const Tensor& one : a) most = std::max(most, one.size(0));
    return most;
  }
};

kernels::Scratch& expert_scratch();  // of the calling thread
void count_low_rank_rows(int64_t rows);

using kernels::padded;

/// One direction of the operation on reals of one type.
template <class Real>
class ExpertPass {
 public:
  ExpertPass(const ExpertCall& call, ExpertParams gate, ExpertParams up, ExpertParams down, at::ScalarType real)
      : call_(call),
        gate_(std::move(gate)),
        up_(std::move(up)),
        down_(std::move(down)),
        real_(real),
        store_(call.compute.operand_store(real)) {
    groups_ = static_cast<int64_t>(call.order.offsets.size()) - 1;
    rows_ = call.order.offsets.back();
    hot_ = static_cast<int64_t>(std::max({gate_.a.size(), up_.a.size(), down_.a.size()}));
    hot_rows_ = call.order.offsets[static_cast<size_t>(hot_)];
  }

  struct Kept {
    Tensor gate_NF, up_NF, u_gate, u_up, u_down;  // u: (hot rows, widest rank)
  };

  Tensor forward(const Tensor& x_TD, const Tensor& w_TK, int64_t width_f, Kept* kept);
  void backward(const Tensor& x_TD, const Tensor& w_TK, const Tensor& dout_TD, const Kept& kept);

  // Results of backward.
  Tensor dx_TD, dw_TK;
  std::array<std::vector<Tensor>, 3> da, db, dw;  // gate, up, down: of A, B and own

 private:
  at::TensorOptions options() const { return at::TensorOptions(real_); }
  bool drops() const { return call_.dropout.rate > 0 && hot_rows_ > 0; }
  int64_t group_rows(int64_t g) const {
    return call_.order.offsets[static_cast<size_t>(g) + 1] - call_.order.offsets[static_cast<size_t>(g)];
  }
  kernels::Rows<Real> gather(const Tensor& x_TD) const { return {x_TD.const_data_ptr<Real>(), x_TD.size(1), call_.order.token_N.data()}; }
  kernels::Rows<Real> plain(const Tensor& x) const { return {x.const_data_ptr<Real>(), x.size(1), nullptr}; }
  Real* data(const Tensor& x) const { return x.data_ptr<Real>(); }

  /// The weights of a bank by ordinal, trainable ones packed for this pass.
  std::vector<Packed> weights(const ExpertParams& bank);
  /// Factors packed for this pass: A, scale · B (or its transpose).
  std::vector<Packed> a_packs(const ExpertParams& bank);
  std::vector<Packed> b_packs(const ExpertParams& bank, bool transposed);

  template <class Body>
  void for_tiles(const kernels::Operand<Real>& operand, const Body& body) const {
    const auto tiles = static_cast<int64_t>(operand.tiles().size());
#pragma omp parallel for schedule(dynamic)
    for (int64_t t = 0; t < tiles; ++t) body(static_cast<size_t>(t), operand.tiles()[static_cast<size_t>(t)]);
  }

  /// u rows of a tile = its part at `at` · Aᵀ, stored and appended to the operand at `to`.
  void low_part(const kernels::Operand<Real>& operand, size_t t, int64_t at, const Packed& a, Tensor& u, int64_t to) const;

  /// The rows of a hot tile after dropout, in `buffer`; `source` gives rows of n values.
  void dropped(const RowTile& tile, const kernels::Rows<Real>& source, int64_t n, RngKey key, Real* buffer) const;
  Tensor dropped_rows(const kernels::Rows<Real>& source, int64_t n, RngKey key) const;
  /// Columns first … of the mask of sorted row n, which belongs to `group`.
  void mask_row(int64_t n, int64_t group, RngKey key, int64_t first, int64_t columns, Real* mask) const;

  kernels::Operand<Real> input_operand(const Tensor& x_TD, Kept* kept);
  Tensor project(const kernels::Operand<Real>& operand, const ExpertParams& bank, int64_t at, const std::vector<Packed>& w,
                 int64_t outputs);
  void outer(const std::vector<Tensor>& out, const Tensor& left, const kernels::Rows<Real>& right, int64_t n, bool transposed,
             const ExpertParams& bank, bool scaled) const;
  Tensor weighted(const Tensor& rows_NR, const std::vector<Real>& w_N) const;
  std::vector<Real> sorted_weights(const Tensor& w_TK) const;
  kernels::Operand<Real> output_operand(const Tensor& dout_TD, Tensor& v);
  Tensor masked_low_dh(const kernels::Operand<Real>& operand, int64_t at, const std::vector<Packed>& a, int64_t f) const;
  void backward_down(const Tensor& dout_TD, const std::vector<Real>& w_N, const Kept& kept, const Tensor& dgate, const Tensor& dup);
  void sum_weight_gradients(const Tensor& dots_PN);
  void down_gradients(const Tensor& dout_TD, const std::vector<Real>& w_N, const Kept& kept, const Tensor& v, const Tensor& h);
  void add_masked_low(const kernels::Operand<Real>& operand, const kernels::TermsOf& low_terms, int64_t d);
  void gate_up_gradients(const Tensor& x_TD, const Kept& kept, const Tensor& dgate, const Tensor& dup, const Tensor& v_gate,
                         const Tensor& v_up);
  void backward_gate_up(const Tensor& x_TD, const Kept& kept, const Tensor& dgate, const Tensor& dup);
  std::vector<Tensor> zeros_like(const std::vector<Tensor>& params) const;

  const ExpertCall& call_;
  ExpertParams gate_, up_, down_;
  at::ScalarType real_;
  kernels::WeightType store_;
  PassPacks packs_;
  int64_t groups_ = 0, rows_ = 0, hot_ = 0, hot_rows_ = 0;
};

}  // namespace hellora
