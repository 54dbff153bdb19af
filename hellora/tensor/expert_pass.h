// One direction of the experts' operation (experts.h): the state that its steps share, and the steps.
#pragma once

#include <array>

#include "hellora/tensor/experts.h"
#include "hellora/tensor/grouped_pass.h"

namespace hellora {

/// One direction of the operation on reals of one type.
template <class Real>
class ExpertPass : GroupedPass<Real> {
 public:
  ExpertPass(const ExpertCall& call, GroupedParams gate, GroupedParams up, GroupedParams down, at::ScalarType real)
      : GroupedPass<Real>(call.order.offsets, call.compute, real),
        call_(call),
        gate_(std::move(gate)),
        up_(std::move(up)),
        down_(std::move(down)) {
    hot_ = static_cast<int64_t>(std::max({gate_.a.size(), up_.a.size(), down_.a.size()}));
    hot_rows_ = this->rows_of_first(static_cast<size_t>(hot_));
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
  using Base = GroupedPass<Real>;
  using Base::a_packs, Base::b_packs, Base::weights, Base::low_part, Base::low_gradient, Base::low_gradient_part, Base::low_rows,
      Base::for_tiles, Base::outer;
  using Base::groups, Base::rows_, Base::options, Base::data, Base::plain, Base::zeros_like;
  using typename Base::LowGradient;

  bool drops() const { return call_.dropout.rate > 0 && hot_rows_ > 0; }
  kernels::Rows<Real> gather(const Tensor& x_TD) const { return Base::gathered(x_TD, call_.order.token_N); }

  /// The rows of a hot tile after dropout, in `buffer`; `source` gives rows of n values.
  void dropped(const RowTile& tile, const kernels::Rows<Real>& source, int64_t n, RngKey key, Real* buffer) const;
  Tensor dropped_rows(const kernels::Rows<Real>& source, int64_t n, RngKey key) const;
  /// Columns first … of the mask of sorted row n, which belongs to `group`.
  void mask_row(int64_t n, int64_t group, RngKey key, int64_t first, int64_t columns, Real* mask) const;

  kernels::Operand<Real> input_operand(const Tensor& x_TD, Kept* kept);
  Tensor project(const kernels::Operand<Real>& operand, const GroupedParams& bank, int64_t at, const std::vector<Packed>& w,
                 int64_t outputs);
  Tensor weighted(const Tensor& rows_NR, const std::vector<Real>& w_N) const;
  std::vector<Real> sorted_weights(const Tensor& w_TK) const;
  kernels::Operand<Real> output_operand(const Tensor& dout_TD, const LowGradient& low);
  Tensor masked_low_dh(const kernels::Operand<Real>& operand, int64_t at, const std::vector<Packed>& a, int64_t f) const;
  void backward_down(const Tensor& dout_TD, const std::vector<Real>& w_N, const Kept& kept, const Tensor& dgate, const Tensor& dup);
  void sum_weight_gradients(const Tensor& dots_PN);
  void down_gradients(const Tensor& dout_TD, const std::vector<Real>& w_N, const Kept& kept, const LowGradient& low, const Tensor& h);
  void add_masked_low(const kernels::Operand<Real>& operand, const kernels::TermsOf& low_terms, int64_t d);
  void gate_up_gradients(const Tensor& x_TD, const Kept& kept, const Tensor& dgate, const Tensor& dup, const LowGradient& gate,
                         const LowGradient& up);
  void backward_gate_up(const Tensor& x_TD, const Kept& kept, const Tensor& dgate, const Tensor& dup);

  const ExpertCall& call_;
  GroupedParams gate_, up_, down_;
  int64_t hot_ = 0, hot_rows_ = 0;
};

}  // namespace hellora
