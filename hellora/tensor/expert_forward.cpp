#include "hellora/kernels/dropout.h"
#include "hellora/tensor/expert_pass.h"

namespace hellora {

template <class Real>
void ExpertPass<Real>::mask_row(int64_t n, int64_t group, RngKey key, int64_t first, int64_t columns, Real* mask) const {
  const int64_t row = call_.order.token_N[static_cast<size_t>(n)];
  const int64_t token = call_.mask_token.empty() ? row : call_.mask_token[static_cast<size_t>(row)];
  kernels::primitives<Real>().dropout_mask(key, call_.dropout.rate, kernels::mask_token(token),
                                           kernels::mask_expert(call_.expert_of[static_cast<size_t>(group)]), first, columns, mask);
}

template <class Real>
void ExpertPass<Real>::dropped(const RowTile& tile, const kernels::Rows<Real>& source, int64_t n, RngKey key, Real* buffer) const {
  for (int64_t r = 0; r < tile.rows; ++r) {
    Real* to = buffer + r * n;
    mask_row(tile.first + r, tile.group, key, 0, n, to);
    const Real* x = source.row(tile.first + r);
    for (int64_t i = 0; i < n; ++i) to[i] *= x[i];
  }
}

template <class Real>
Tensor ExpertPass<Real>::dropped_rows(const kernels::Rows<Real>& source, int64_t n, RngKey key) const {
  Tensor out = at::empty({hot_rows_, n}, options());
  const std::vector<RowTile> tiles =
      kernels::cut_rows(std::span(call_.order.offsets).first(static_cast<size_t>(hot_) + 1), {kernels::kMaxTileRows});
#pragma omp parallel for schedule(dynamic)
  for (size_t t = 0; t < tiles.size(); ++t) dropped(tiles[t], source, n, key, data(out) + tiles[t].first * n);
  return out;
}

template <class Real>
std::vector<Real> ExpertPass<Real>::sorted_weights(const Tensor& w_TK) const {
  std::vector<Real> w_N(static_cast<size_t>(rows_));
  const Real* source = w_TK.const_data_ptr<Real>();
  for (size_t n = 0; n < w_N.size(); ++n) w_N[n] = source[call_.order.source_N[n]];
  return w_N;
}

/// [x | u_gate | u_up] of every row; u only for adapted ordinals.
template <class Real>
kernels::Operand<Real> ExpertPass<Real>::input_operand(const Tensor& x_TD, Kept* kept) {
  const int64_t d = x_TD.size(1);
  const std::vector<Packed> a_gate = a_packs(gate_), a_up = a_packs(up_);
  kept->u_gate = low_rows(gate_);
  kept->u_up = low_rows(up_);
  std::vector<int64_t> columns;
  // After dropout the low-rank parts read another input: it takes its place behind x, and is not multiplied with W.
  for (int64_t g = 0; g < groups(); ++g) {
    columns.push_back(padded(d) + padded(gate_.rank(g)) + padded(up_.rank(g)) + (drops() && g < hot_ ? padded(d) : 0));
  }
  kernels::Operand<Real> operand(call_.compute.math, call_.order.offsets, columns, grouped_scratch());
  for_tiles(operand, [&](size_t t, const RowTile& tile) {
    operand.fill(t, 0, gather(x_TD), d, padded(d));
    const int64_t g = tile.group, u_at = padded(d), low_at = drops() ? u_at + padded(gate_.rank(g)) + padded(up_.rank(g)) : 0;
    if (!gate_.adapted(g) && !up_.adapted(g)) return;
    if (drops()) {
      std::vector<Real> buffer(static_cast<size_t>(tile.rows * d));
      dropped(tile, gather(x_TD), d, call_.dropout.gate, buffer.data());
      std::array<const Real*, kernels::kMaxTileRows> source{};
      for (int64_t r = 0; r < tile.rows; ++r) source[static_cast<size_t>(r)] = buffer.data() + r * d;
      operand.fill(t, low_at, source.data(), d, padded(d));
    }
    if (gate_.adapted(g)) low_part(operand, t, low_at, a_gate[static_cast<size_t>(g)], kept->u_gate, u_at);
    if (up_.adapted(g)) low_part(operand, t, low_at, a_up[static_cast<size_t>(g)], kept->u_up, u_at + padded(gate_.rank(g)));
  });
  return operand;
}

/// One projection of every row, with the low-rank part of bank `bank` at `at` + the bank's place.
template <class Real>
Tensor ExpertPass<Real>::project(const kernels::Operand<Real>& operand, const GroupedParams& bank, int64_t at, const std::vector<Packed>& w,
                                 int64_t outputs) {
  const std::vector<Packed> b = b_packs(bank, false);
  const bool second = &bank == &up_;
  Tensor out = at::empty({rows_, outputs}, options());
  kernels::multiply_forward<Real>(
      operand, outputs,
      [&](int64_t g, std::vector<Term>& terms) {
        terms.push_back({0, w[static_cast<size_t>(g)]});
        if (bank.adapted(g)) terms.push_back({at + (second ? padded(gate_.rank(g)) : 0), b[static_cast<size_t>(g)]});
      },
      {},
      [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
        const int64_t width = std::min(panels * kernels::kPanel, outputs - column);
        for (int64_t r = 0; r < tile.rows; ++r)
          std::copy(c + r * ldc, c + r * ldc + width, data(out) + (tile.first + r) * outputs + column);
      });
  return out;
}

template <class Real>
Tensor ExpertPass<Real>::forward(const Tensor& x_TD, const Tensor& w_TK, int64_t width_f, Kept* kept) {
  const int64_t d = x_TD.size(1), f = width_f;
  {
    const auto operand = input_operand(x_TD, kept);
    kept->gate_NF = project(operand, gate_, padded(d), weights(gate_), f);
    kept->up_NF = project(operand, up_, padded(d), weights(up_), f);
  }
  const std::vector<Packed> a_down = a_packs(down_), b_down = b_packs(down_, false), w_down = weights(down_);
  kept->u_down = low_rows(down_);
  std::vector<int64_t> columns;
  for (int64_t g = 0; g < groups(); ++g) columns.push_back(padded(f) + padded(down_.rank(g)) + (drops() && g < hot_ ? padded(f) : 0));
  kernels::Operand<Real> operand(call_.compute.math, call_.order.offsets, columns, grouped_scratch());
  for_tiles(operand, [&](size_t t, const RowTile& tile) {
    std::vector<Real> h(static_cast<size_t>(tile.rows * f));
    std::array<const Real*, kernels::kMaxTileRows> source{};
    for (int64_t r = 0; r < tile.rows; ++r) {
      const int64_t n = tile.first + r;
      kernels::primitives<Real>().swiglu(data(kept->gate_NF) + n * f, data(kept->up_NF) + n * f, f, h.data() + r * f);
      source[static_cast<size_t>(r)] = h.data() + r * f;
    }
    operand.fill(t, 0, source.data(), f, padded(f));
    if (!down_.adapted(tile.group)) return;
    const int64_t low_at = drops() ? padded(f) + padded(down_.rank(tile.group)) : 0;
    if (drops()) {
      std::vector<Real> mask(static_cast<size_t>(f));
      for (int64_t r = 0; r < tile.rows; ++r) {
        mask_row(tile.first + r, tile.group, call_.dropout.down, 0, f, mask.data());
        for (int64_t i = 0; i < f; ++i) h[static_cast<size_t>(r * f + i)] *= mask[static_cast<size_t>(i)];
      }
      operand.fill(t, low_at, source.data(), f, padded(f));
    }
    low_part(operand, t, low_at, a_down[static_cast<size_t>(tile.group)], kept->u_down, padded(f));
  });
  const std::vector<Real> w_N = sorted_weights(w_TK);
  Tensor out_TD = at::zeros_like(x_TD);
  kernels::multiply_forward<Real>(
      operand, d,
      [&](int64_t g, std::vector<Term>& terms) {
        terms.push_back({0, w_down[static_cast<size_t>(g)]});
        if (down_.adapted(g)) terms.push_back({padded(f), b_down[static_cast<size_t>(g)]});
      },
      call_.sequence,
      [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
        const int64_t width = std::min(panels * kernels::kPanel, d - column);
        for (int64_t r = 0; r < tile.rows; ++r) {
          const auto n = static_cast<size_t>(tile.first + r);
          kernels::primitives<Real>().axpy(w_N[n], c + r * ldc, width, data(out_TD) + call_.order.token_N[n] * d + column);
        }
      });
  return out_TD;
}

#define HELLORA_FORWARD(Real)                                                                        \
  template Tensor ExpertPass<Real>::forward(const Tensor&, const Tensor&, int64_t, Kept*);           \
  template void ExpertPass<Real>::mask_row(int64_t, int64_t, RngKey, int64_t, int64_t, Real*) const; \
  template Tensor ExpertPass<Real>::dropped_rows(const kernels::Rows<Real>&, int64_t, RngKey) const; \
  template std::vector<Real> ExpertPass<Real>::sorted_weights(const Tensor&) const;
HELLORA_FORWARD(float)
HELLORA_FORWARD(double)
#undef HELLORA_FORWARD

}  // namespace hellora
