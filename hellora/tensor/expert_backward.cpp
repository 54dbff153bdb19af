#include "hellora/tensor/expert_pass.h"

namespace hellora {

template <class Real>
Tensor ExpertPass<Real>::weighted(const Tensor& rows_NR, const std::vector<Real>& w_N) const {
  Tensor out = rows_NR.clone();
  const int64_t r = out.size(1);
  for (int64_t n = 0; n < out.size(0); ++n) {
    for (int64_t i = 0; i < r; ++i) data(out)[n * r + i] *= w_N[static_cast<size_t>(n)];
  }
  return out;
}

/// [dout of the row's token | v] of every row; v only for adapted ordinals.
template <class Real>
kernels::Operand<Real> ExpertPass<Real>::output_operand(const Tensor& dout_TD, const LowGradient& low) {
  const int64_t d = dout_TD.size(1);
  std::vector<int64_t> columns;
  for (int64_t g = 0; g < groups(); ++g) columns.push_back(padded(d) + padded(down_.rank(g)));
  kernels::Operand<Real> operand(call_.compute.math, call_.order.offsets, columns, grouped_scratch());
  for_tiles(operand, [&](size_t t, const RowTile& tile) {
    operand.fill(t, 0, gather(dout_TD), d, padded(d));
    if (down_.adapted(tile.group)) low_gradient_part(operand, t, 0, low, padded(d));
  });
  return operand;
}

/// After dropout the low-rank part of dh carries a mask: it is computed apart.
template <class Real>
Tensor ExpertPass<Real>::masked_low_dh(const kernels::Operand<Real>& operand, int64_t at, const std::vector<Packed>& a, int64_t f) const {
  Tensor low_dh = at::zeros({hot_rows_, f}, options());
  std::vector<int64_t> adapted;
  for (int64_t g = 0; g < hot_; ++g) {
    if (down_.adapted(g)) adapted.push_back(g);
  }
  kernels::multiply_backward<Real>(
      operand, f,
      [&](int64_t g, std::vector<Term>& terms) {
        terms.push_back({at, a[static_cast<size_t>(g)]});
      },
      adapted,
      [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
        const int64_t width = std::min(panels * kernels::kPanel, f - column);
        std::array<Real, kernels::kTileColumns> mask;
        for (int64_t r = 0; r < tile.rows; ++r) {
          mask_row(tile.first + r, tile.group, call_.dropout.down, column, width, mask.data());
          Real* to = data(low_dh) + (tile.first + r) * f + column;
          for (int64_t i = 0; i < width; ++i) to[i] = c[r * ldc + i] * mask[static_cast<size_t>(i)];
        }
      });
  return low_dh;
}

/// d(weights) from partial sums by column block, added up in order.
template <class Real>
void ExpertPass<Real>::sum_weight_gradients(const Tensor& dots_PN) {
  dw_TK = at::empty({rows_}, options());
  for (int64_t n = 0; n < rows_; ++n) {
    Real sum = 0;
    for (int64_t p = 0; p < dots_PN.size(0); ++p) sum += data(dots_PN)[p * rows_ + n];
    data(dw_TK)[call_.order.source_N[static_cast<size_t>(n)]] = sum;
  }
}

template <class Real>
void ExpertPass<Real>::down_gradients(const Tensor& dout_TD, const std::vector<Real>& w_N, const Kept& kept, const LowGradient& low,
                                      const Tensor& h) {
  const int64_t d = dout_TD.size(1), f = h.size(1);
  da[2] = zeros_like(down_.a);
  dw[2] = zeros_like(down_.own);
  if (!down_.a.empty()) {
    const Tensor h_low = drops() ? dropped_rows(plain(h), f, call_.dropout.down) : h;
    outer(da[2], weighted(low.v_a, w_N), plain(h_low), f, false);
    db[2] = this->gradients_of_b(down_, weighted(kept.u_down, w_N), gather(dout_TD), d);
  }
  if (!down_.own.empty()) outer(dw[2], weighted(h, w_N), gather(dout_TD), d, true);
}

/// From d(out): d(gate), d(up), d(weights), and the gradients of down.
template <class Real>
void ExpertPass<Real>::backward_down(const Tensor& dout_TD, const std::vector<Real>& w_N, const Kept& kept, const Tensor& dgate,
                                     const Tensor& dup) {
  const int64_t d = dout_TD.size(1), f = kept.gate_NF.size(1);
  const std::vector<Packed> a = a_packs(down_), w = weights(down_);
  const LowGradient low = low_gradient(down_);
  const kernels::Operand<Real> operand = output_operand(dout_TD, low);
  const Tensor low_dh = drops() && !down_.a.empty() ? masked_low_dh(operand, padded(d), a, f) : Tensor();
  const int64_t kept_h = std::max<int64_t>(hot_rows_, call_.order.offsets[down_.own.size()]);
  const Tensor h = at::empty({kept_h, f}, options());
  const Tensor dots_PN = at::zeros({(f + kernels::kTileColumns - 1) / kernels::kTileColumns, rows_}, options());
  const kernels::TermsOf terms_of = [&](int64_t g, std::vector<Term>& terms) {
    terms.push_back({0, w[static_cast<size_t>(g)]});
    if (down_.adapted(g) && !low_dh.defined()) terms.push_back({padded(d), a[static_cast<size_t>(g)]});
  };
  kernels::multiply_backward<Real>(
      operand, f, terms_of, {}, [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
        const int64_t width = std::min(panels * kernels::kPanel, f - column);
        std::array<Real, kernels::kTileColumns> unused, sum;
        for (int64_t r = 0; r < tile.rows; ++r) {
          const int64_t n = tile.first + r, at = n * f + column;
          const Real* dh = c + r * ldc;
          if (low_dh.defined() && down_.adapted(tile.group)) {
            for (int64_t i = 0; i < width; ++i) sum[static_cast<size_t>(i)] = dh[i] + data(low_dh)[at + i];
            dh = sum.data();
          }
          data(dots_PN)[column / kernels::kTileColumns * rows_ + n] = kernels::primitives<Real>().swiglu_backward(
              data(kept.gate_NF) + at, data(kept.up_NF) + at, dh, w_N[static_cast<size_t>(n)], width, data(dgate) + at, data(dup) + at,
              n < kept_h ? data(h) + at : unused.data());
        }
      });
  sum_weight_gradients(dots_PN);
  down_gradients(dout_TD, w_N, kept, low, h);
}

/// After dropout: dx += mask · (v A) for the rows of adapted experts.
template <class Real>
void ExpertPass<Real>::add_masked_low(const kernels::Operand<Real>& operand, const kernels::TermsOf& low_terms, int64_t d) {
  std::vector<int64_t> sequence;
  for (const int64_t g : call_.sequence) {
    if (gate_.adapted(g) || up_.adapted(g)) sequence.push_back(g);
  }
  kernels::multiply_backward<Real>(operand, d, low_terms, sequence,
                                   [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
                                     const int64_t width = std::min(panels * kernels::kPanel, d - column);
                                     std::array<Real, kernels::kTileColumns> mask;
                                     for (int64_t r = 0; r < tile.rows; ++r) {
                                       mask_row(tile.first + r, tile.group, call_.dropout.gate, column, width, mask.data());
                                       Real* target = data(dx_TD) + call_.order.token_N[static_cast<size_t>(tile.first + r)] * d + column;
                                       for (int64_t i = 0; i < width; ++i) target[i] += c[r * ldc + i] * mask[static_cast<size_t>(i)];
                                     }
                                   });
}

template <class Real>
void ExpertPass<Real>::gate_up_gradients(const Tensor& x_TD, const Kept& kept, const Tensor& dgate, const Tensor& dup,
                                         const LowGradient& gate, const LowGradient& up) {
  const int64_t d = x_TD.size(1), f = dgate.size(1);
  const Tensor x_low = drops() && !(gate_.a.empty() && up_.a.empty()) ? dropped_rows(gather(x_TD), d, call_.dropout.gate) : Tensor();
  const kernels::Rows<Real> low_source = x_low.defined() ? plain(x_low) : gather(x_TD);
  const std::array<const GroupedParams*, 2> banks = {&gate_, &up_};
  const std::array<const LowGradient*, 2> low = {&gate, &up};
  const std::array<const Tensor*, 2> u = {&kept.u_gate, &kept.u_up}, dy = {&dgate, &dup};
  for (size_t i = 0; i < 2; ++i) {
    da[i] = zeros_like(banks[i]->a);
    dw[i] = zeros_like(banks[i]->own);
    outer(da[i], low[i]->v_a, low_source, d, false);
    db[i] = this->gradients_of_b(*banks[i], *u[i], plain(*dy[i]), f);
    outer(dw[i], *dy[i], gather(x_TD), d, false);
  }
}

/// From d(gate) and d(up): dx, and the gradients of gate and up.
template <class Real>
void ExpertPass<Real>::backward_gate_up(const Tensor& x_TD, const Kept& kept, const Tensor& dgate, const Tensor& dup) {
  const int64_t d = x_TD.size(1), f = dgate.size(1), low_at = 2 * padded(f);
  const std::vector<Packed> a_gate = a_packs(gate_), a_up = a_packs(up_);
  const std::vector<Packed> w_gate = weights(gate_), w_up = weights(up_);
  const LowGradient low_gate = low_gradient(gate_), low_up = low_gradient(up_);
  std::vector<int64_t> columns;
  for (int64_t g = 0; g < groups(); ++g) columns.push_back(low_at + padded(gate_.rank(g)) + padded(up_.rank(g)));
  kernels::Operand<Real> operand(call_.compute.math, call_.order.offsets, columns, grouped_scratch());
  for_tiles(operand, [&](size_t t, const RowTile& tile) {
    operand.fill(t, 0, plain(dgate), f, padded(f));
    operand.fill(t, padded(f), plain(dup), f, padded(f));
    if (gate_.adapted(tile.group)) low_gradient_part(operand, t, 0, low_gate, low_at);
    if (up_.adapted(tile.group)) low_gradient_part(operand, t, padded(f), low_up, low_at + padded(gate_.rank(tile.group)));
  });
  const kernels::TermsOf low_terms = [&](int64_t g, std::vector<Term>& terms) {
    if (gate_.adapted(g)) terms.push_back({low_at, a_gate[static_cast<size_t>(g)]});
    if (up_.adapted(g)) terms.push_back({low_at + padded(gate_.rank(g)), a_up[static_cast<size_t>(g)]});
  };
  const kernels::TermsOf terms_of = [&](int64_t g, std::vector<Term>& terms) {
    terms.push_back({0, w_gate[static_cast<size_t>(g)]});
    terms.push_back({padded(f), w_up[static_cast<size_t>(g)]});
    if (!drops()) low_terms(g, terms);
  };
  dx_TD = at::zeros_like(x_TD);
  kernels::multiply_backward<Real>(operand, d, terms_of, call_.sequence,
                                   [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
                                     const int64_t width = std::min(panels * kernels::kPanel, d - column);
                                     for (int64_t r = 0; r < tile.rows; ++r) {
                                       Real* target = data(dx_TD) + call_.order.token_N[static_cast<size_t>(tile.first + r)] * d + column;
                                       kernels::primitives<Real>().axpy(Real{1}, c + r * ldc, width, target);
                                     }
                                   });
  if (drops() && !(gate_.a.empty() && up_.a.empty())) add_masked_low(operand, low_terms, d);
  gate_up_gradients(x_TD, kept, dgate, dup, low_gate, low_up);
}

template <class Real>
void ExpertPass<Real>::backward(const Tensor& x_TD, const Tensor& w_TK, const Tensor& dout_TD, const Kept& kept) {
  const Tensor dgate = at::empty_like(kept.gate_NF), dup = at::empty_like(kept.up_NF);
  backward_down(dout_TD, sorted_weights(w_TK), kept, dgate, dup);
  dw_TK = dw_TK.view(w_TK.sizes());
  backward_gate_up(x_TD, kept, dgate, dup);
}

#define HELLORA_BACKWARD(Real) template void ExpertPass<Real>::backward(const Tensor&, const Tensor&, const Tensor&, const Kept&);
HELLORA_BACKWARD(float)
HELLORA_BACKWARD(double)
#undef HELLORA_BACKWARD

}  // namespace hellora
