#include "hellora/tensor/experts.h"

#include <array>
#include <atomic>

#include "hellora/core/error.h"
#include "hellora/kernels/dropout.h"
#include "hellora/kernels/grouped.h"

namespace hellora {
namespace {

using kernels::Packed;
using kernels::RowTile;
using kernels::Term;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::atomic<int64_t> low_rows{0};

kernels::Scratch& operand_scratch() {
  static thread_local kernels::Scratch scratch;
  return scratch;
}

int64_t padded(int64_t n) { return kernels::round_up(n, kernels::kPanel); }

/// A bank with its tensors: low[j] and own[j] of the first ordinals.
struct Bank {
  const ExpertBank* call = nullptr;
  std::vector<Tensor> a, b, own;

  bool adapted(int64_t j) const { return static_cast<size_t>(j) < a.size(); }
  bool trained(int64_t j) const { return static_cast<size_t>(j) < own.size(); }
  int64_t rank(int64_t j) const { return adapted(j) ? a[static_cast<size_t>(j)].size(0) : 0; }
  double scale(int64_t j) const { return call->low[static_cast<size_t>(j)].scale; }
  int64_t widest() const {
    int64_t most = 0;
    for (const Tensor& one : a) most = std::max(most, one.size(0));
    return most;
  }
};

struct Holder : torch::CustomClassHolder {
  ExpertCall call;
};

/// One direction of the operation on reals of one type.
template <class Real>
class Pass {
 public:
  Pass(const ExpertCall& call, Bank gate, Bank up, Bank down, at::ScalarType real)
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
    low_rows += hot_rows_;
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
  std::vector<Packed> weights(const Bank& bank);
  /// Factors packed for this pass: A, scale · B (or its transpose).
  std::vector<Packed> a_packs(const Bank& bank);
  std::vector<Packed> b_packs(const Bank& bank, bool transposed);

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
  void mask_rows(const RowTile& tile, int64_t n, RngKey key, Real* mask) const;

  kernels::Operand<Real> input_operand(const Tensor& x_TD, Kept* kept);
  Tensor project(const kernels::Operand<Real>& operand, const Bank& bank, int64_t at, const std::vector<Packed>& w, int64_t outputs);
  void outer(const std::vector<Tensor>& out, const Tensor& left, const kernels::Rows<Real>& right, int64_t n, bool transposed,
             const Bank& bank, bool scaled) const;
  Tensor weighted(const Tensor& rows_NR, const std::vector<Real>& w_N) const;
  std::vector<Real> sorted_weights(const Tensor& w_TK) const;
  void backward_down(const Tensor& dout_TD, const std::vector<Real>& w_N, const Kept& kept, const Tensor& dgate, const Tensor& dup);
  void backward_gate_up(const Tensor& x_TD, const Kept& kept, const Tensor& dgate, const Tensor& dup);
  std::vector<Tensor> zeros_like(const std::vector<Tensor>& params) const;

  const ExpertCall& call_;
  Bank gate_, up_, down_;
  at::ScalarType real_;
  kernels::Store store_;
  PassPacks packs_;
  int64_t groups_ = 0, rows_ = 0, hot_ = 0, hot_rows_ = 0;
};

template <class Real>
std::vector<Packed> Pass<Real>::weights(const Bank& bank) {
  std::vector<Packed> out = bank.call->frozen;
  for (size_t j = 0; j < bank.own.size(); ++j) {
    if (group_rows(static_cast<int64_t>(j)) > 0) out[j] = packs_.add(bank.own[j], false, 1.0, store_);
  }
  return out;
}

template <class Real>
std::vector<Packed> Pass<Real>::a_packs(const Bank& bank) {
  std::vector<Packed> out(bank.a.size());
  for (size_t j = 0; j < bank.a.size(); ++j) {
    if (group_rows(static_cast<int64_t>(j)) > 0) out[j] = packs_.add(bank.a[j], false, 1.0, store_);
  }
  return out;
}

template <class Real>
std::vector<Packed> Pass<Real>::b_packs(const Bank& bank, bool transposed) {
  std::vector<Packed> out(bank.b.size());
  for (size_t j = 0; j < bank.b.size(); ++j) {
    if (group_rows(static_cast<int64_t>(j)) > 0) out[j] = packs_.add(bank.b[j], transposed, bank.scale(static_cast<int64_t>(j)), store_);
  }
  return out;
}

template <class Real>
void Pass<Real>::low_part(const kernels::Operand<Real>& operand, size_t t, int64_t at, const Packed& a, Tensor& u, int64_t to) const {
  const RowTile& tile = operand.tiles()[t];
  alignas(64) std::array<Real, static_cast<size_t>(kernels::kMaxTileRows) * kernels::kPanel> c;
  for (int64_t p = 0; p < a.panels(); ++p) {
    const kernels::Segment segment = operand.segment(t, at, a.padded_k(), a.panel(p), a.store);
    kernels::primitives<Real>().tile(operand.math(), tile.rows, &segment, 1, c.data(), kernels::kPanel, false, nullptr);
    const int64_t width = std::min(kernels::kPanel, a.n - p * kernels::kPanel);
    for (int64_t r = 0; r < tile.rows; ++r) {
      std::copy(c.data() + r * kernels::kPanel, c.data() + r * kernels::kPanel + width,
                data(u) + (tile.first + r) * u.size(1) + p * kernels::kPanel);
    }
  }
  operand.fill(t, to, plain(u), a.n, padded(a.n));
}

template <class Real>
void Pass<Real>::mask_rows(const RowTile& tile, int64_t n, RngKey key, Real* mask) const {
  std::array<int64_t, kernels::kMaxTileRows> token{}, expert{};
  for (int64_t r = 0; r < tile.rows; ++r) {
    const int64_t own = call_.order.token_N[static_cast<size_t>(tile.first + r)];
    token[static_cast<size_t>(r)] = call_.row_name.empty() ? own : call_.row_name[static_cast<size_t>(own)];
    expert[static_cast<size_t>(r)] = call_.expert_of[static_cast<size_t>(tile.group)];
  }
  kernels::dropout_mask(key, call_.dropout.rate, token.data(), expert.data(), tile.rows, n, mask);
}

template <class Real>
void Pass<Real>::dropped(const RowTile& tile, const kernels::Rows<Real>& source, int64_t n, RngKey key, Real* buffer) const {
  mask_rows(tile, n, key, buffer);
  for (int64_t r = 0; r < tile.rows; ++r) {
    const Real* x = source.row(tile.first + r);
    for (int64_t i = 0; i < n; ++i) buffer[r * n + i] *= x[i];
  }
}

template <class Real>
Tensor Pass<Real>::dropped_rows(const kernels::Rows<Real>& source, int64_t n, RngKey key) const {
  Tensor out = at::empty({hot_rows_, n}, options());
  const std::vector<RowTile> tiles =
      kernels::cut_rows(std::span(call_.order.offsets).first(static_cast<size_t>(hot_) + 1), kernels::kMaxTileRows);
#pragma omp parallel for schedule(dynamic)
  for (size_t t = 0; t < tiles.size(); ++t) dropped(tiles[t], source, n, key, data(out) + tiles[t].first * n);
  return out;
}

template <class Real>
std::vector<Real> Pass<Real>::sorted_weights(const Tensor& w_TK) const {
  std::vector<Real> w_N(static_cast<size_t>(rows_));
  const Real* source = w_TK.const_data_ptr<Real>();
  for (size_t n = 0; n < w_N.size(); ++n) w_N[n] = source[call_.order.source_N[n]];
  return w_N;
}

/// [x | u_gate | u_up] of every row; u only for adapted ordinals.
template <class Real>
kernels::Operand<Real> Pass<Real>::input_operand(const Tensor& x_TD, Kept* kept) {
  const int64_t d = x_TD.size(1);
  const std::vector<Packed> a_gate = a_packs(gate_), a_up = a_packs(up_);
  kept->u_gate = at::empty({gate_.a.empty() ? 0 : hot_rows_, gate_.widest()}, options());
  kept->u_up = at::empty({up_.a.empty() ? 0 : hot_rows_, up_.widest()}, options());
  std::vector<int64_t> columns;
  // After dropout the low-rank parts read another input: it takes its place behind x, and is not multiplied with W.
  for (int64_t g = 0; g < groups_; ++g) {
    columns.push_back(padded(d) + padded(gate_.rank(g)) + padded(up_.rank(g)) + (drops() && g < hot_ ? padded(d) : 0));
  }
  kernels::Operand<Real> operand(call_.compute.math, call_.order.offsets, columns, operand_scratch());
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
Tensor Pass<Real>::project(const kernels::Operand<Real>& operand, const Bank& bank, int64_t at, const std::vector<Packed>& w,
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
Tensor Pass<Real>::forward(const Tensor& x_TD, const Tensor& w_TK, int64_t width_f, Kept* kept) {
  const int64_t d = x_TD.size(1), f = width_f;
  {
    const auto operand = input_operand(x_TD, kept);
    kept->gate_NF = project(operand, gate_, padded(d), weights(gate_), f);
    kept->up_NF = project(operand, up_, padded(d), weights(up_), f);
  }
  const std::vector<Packed> a_down = a_packs(down_), b_down = b_packs(down_, false), w_down = weights(down_);
  kept->u_down = at::empty({down_.a.empty() ? 0 : hot_rows_, down_.widest()}, options());
  std::vector<int64_t> columns;
  for (int64_t g = 0; g < groups_; ++g) columns.push_back(padded(f) + padded(down_.rank(g)) + (drops() && g < hot_ ? padded(f) : 0));
  kernels::Operand<Real> operand(call_.compute.math, call_.order.offsets, columns, operand_scratch());
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
      std::vector<Real> masked(h.size());
      mask_rows(tile, f, call_.dropout.down, masked.data());
      for (size_t i = 0; i < h.size(); ++i) h[i] *= masked[i];
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

template <class Real>
std::vector<Tensor> Pass<Real>::zeros_like(const std::vector<Tensor>& params) const {
  std::vector<Tensor> out;
  for (const Tensor& one : params) out.push_back(at::zeros_like(one));
  return out;
}

/// Per adapted ordinal: out += leftᵀ right, or its transpose.
template <class Real>
void Pass<Real>::outer(const std::vector<Tensor>& out, const Tensor& left, const kernels::Rows<Real>& right, int64_t n, bool transposed,
                       const Bank& bank, bool scaled) const {
  if (out.empty()) return;
  const auto offsets = std::span(call_.order.offsets).first(out.size() + 1);
  kernels::add_outer<Real>(offsets, plain(left), left.size(1), right, n, [&](int64_t g) {
    const Tensor& target = out[static_cast<size_t>(g)];
    kernels::Target<Real> place{data(target), target.size(1), 1, scaled ? static_cast<Real>(bank.scale(g)) : Real{1}, target.size(0)};
    if (transposed) {
      std::swap(place.row, place.column);
      place.rows = target.size(1);  // ranks may differ: columns of `left` behind a member's own rank are not its
    }
    return place;
  });
}

template <class Real>
Tensor Pass<Real>::weighted(const Tensor& rows_NR, const std::vector<Real>& w_N) const {
  Tensor out = rows_NR.clone();
  const int64_t r = out.size(1);
  for (int64_t n = 0; n < out.size(0); ++n) {
    for (int64_t i = 0; i < r; ++i) data(out)[n * r + i] *= w_N[static_cast<size_t>(n)];
  }
  return out;
}

/// From d(out): d(gate), d(up), d(weights), and the gradients of down.
template <class Real>
void Pass<Real>::backward_down(const Tensor& dout_TD, const std::vector<Real>& w_N, const Kept& kept, const Tensor& dgate,
                               const Tensor& dup) {
  const int64_t d = dout_TD.size(1), f = kept.gate_NF.size(1);
  const std::vector<Packed> a = a_packs(down_), b_t = b_packs(down_, true), w = weights(down_);
  Tensor v = at::empty({down_.a.empty() ? 0 : hot_rows_, down_.widest()}, options());
  std::vector<int64_t> columns;
  for (int64_t g = 0; g < groups_; ++g) columns.push_back(padded(d) + padded(down_.rank(g)));
  kernels::Operand<Real> operand(call_.compute.math, call_.order.offsets, columns, operand_scratch());
  for_tiles(operand, [&](size_t t, const RowTile& tile) {
    operand.fill(t, 0, gather(dout_TD), d, padded(d));
    if (down_.adapted(tile.group)) low_part(operand, t, 0, b_t[static_cast<size_t>(tile.group)], v, padded(d));
  });
  const auto low_term = [&](int64_t g) { return Term{padded(d), a[static_cast<size_t>(g)]}; };
  Tensor low_dh;  // after dropout the low-rank part of dh carries a mask
  if (drops() && !down_.a.empty()) {
    low_dh = at::zeros({rows_, f}, options());
    kernels::multiply_backward<Real>(
        operand, f,
        [&](int64_t g, std::vector<Term>& terms) {
          terms.push_back(down_.adapted(g) ? low_term(g) : Term{0, w[static_cast<size_t>(g)]});
        },
        {},
        [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
          if (!down_.adapted(tile.group)) return;
          const int64_t width = std::min(panels * kernels::kPanel, f - column);
          for (int64_t r = 0; r < tile.rows; ++r) std::copy(c + r * ldc, c + r * ldc + width, data(low_dh) + (tile.first + r) * f + column);
        });
    const std::vector<RowTile> tiles =
        kernels::cut_rows(std::span(call_.order.offsets).first(static_cast<size_t>(hot_) + 1), kernels::kMaxTileRows);
#pragma omp parallel for schedule(dynamic)
    for (size_t t = 0; t < tiles.size(); ++t) {
      std::vector<Real> mask(static_cast<size_t>(tiles[t].rows * f));
      mask_rows(tiles[t], f, call_.dropout.down, mask.data());
      for (size_t i = 0; i < mask.size(); ++i) data(low_dh)[tiles[t].first * f + static_cast<int64_t>(i)] *= mask[i];
    }
  }
  const int64_t kept_h = std::max<int64_t>(hot_rows_, down_.own.empty() ? 0 : call_.order.offsets[down_.own.size()]);
  Tensor h = at::empty({kept_h, f}, options());
  const int64_t parts = (f + kernels::kTileColumns - 1) / kernels::kTileColumns;
  Tensor dots = at::zeros({parts, rows_}, options());  // Σ dh · h by column block, added up in order below
  kernels::multiply_backward<Real>(
      operand, f,
      [&](int64_t g, std::vector<Term>& terms) {
        terms.push_back({0, w[static_cast<size_t>(g)]});
        if (down_.adapted(g) && !drops()) terms.push_back(low_term(g));
      },
      {},
      [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
        const int64_t width = std::min(panels * kernels::kPanel, f - column);
        std::array<Real, kernels::kTileColumns> unused, sum;
        for (int64_t r = 0; r < tile.rows; ++r) {
          const int64_t n = tile.first + r, at = n * f + column;
          const Real* dh = c + r * ldc;
          if (low_dh.defined() && down_.adapted(tile.group)) {
            for (int64_t i = 0; i < width; ++i) sum[static_cast<size_t>(i)] = dh[i] + data(low_dh)[at + i];
            dh = sum.data();
          }
          data(dots)[column / kernels::kTileColumns * rows_ + n] = kernels::primitives<Real>().swiglu_backward(
              data(kept.gate_NF) + at, data(kept.up_NF) + at, dh, w_N[static_cast<size_t>(n)], width, data(dgate) + at, data(dup) + at,
              n < kept_h ? data(h) + at : unused.data());
        }
      });
  dw_TK = at::empty({static_cast<int64_t>(call_.order.sorted_TK.size())}, options());
  for (int64_t n = 0; n < rows_; ++n) {
    Real sum = 0;
    for (int64_t p = 0; p < parts; ++p) sum += data(dots)[p * rows_ + n];
    data(dw_TK)[call_.order.source_N[static_cast<size_t>(n)]] = sum;
  }
  da[2] = zeros_like(down_.a);
  db[2] = zeros_like(down_.b);
  if (!down_.a.empty()) {
    const Tensor h_low = drops() ? dropped_rows(plain(h), f, call_.dropout.down) : h;
    outer(da[2], weighted(v, w_N), plain(h_low), f, false, down_, false);
    outer(db[2], weighted(kept.u_down, w_N), gather(dout_TD), d, true, down_, true);
  }
  if (!down_.own.empty()) {
    dw[2] = zeros_like(down_.own);
    outer(dw[2], weighted(h, w_N), gather(dout_TD), d, true, down_, false);
  }
}

/// From d(gate) and d(up): dx, and the gradients of gate and up.
template <class Real>
void Pass<Real>::backward_gate_up(const Tensor& x_TD, const Kept& kept, const Tensor& dgate, const Tensor& dup) {
  const int64_t d = x_TD.size(1), f = dgate.size(1);
  const std::vector<Packed> a_gate = a_packs(gate_), a_up = a_packs(up_), b_gate = b_packs(gate_, true), b_up = b_packs(up_, true);
  const std::vector<Packed> w_gate = weights(gate_), w_up = weights(up_);
  Tensor v_gate = at::empty_like(kept.u_gate), v_up = at::empty_like(kept.u_up);
  std::vector<int64_t> columns;
  for (int64_t g = 0; g < groups_; ++g) columns.push_back(2 * padded(f) + padded(gate_.rank(g)) + padded(up_.rank(g)));
  kernels::Operand<Real> operand(call_.compute.math, call_.order.offsets, columns, operand_scratch());
  const int64_t low_at = 2 * padded(f);
  for_tiles(operand, [&](size_t t, const RowTile& tile) {
    operand.fill(t, 0, plain(dgate), f, padded(f));
    operand.fill(t, padded(f), plain(dup), f, padded(f));
    const auto g = static_cast<size_t>(tile.group);
    if (gate_.adapted(tile.group)) low_part(operand, t, 0, b_gate[g], v_gate, low_at);
    if (up_.adapted(tile.group)) low_part(operand, t, padded(f), b_up[g], v_up, low_at + padded(gate_.rank(tile.group)));
  });
  const auto low_terms = [&](int64_t g, std::vector<Term>& terms) {
    if (gate_.adapted(g)) terms.push_back({low_at, a_gate[static_cast<size_t>(g)]});
    if (up_.adapted(g)) terms.push_back({low_at + padded(gate_.rank(g)), a_up[static_cast<size_t>(g)]});
  };
  dx_TD = at::zeros_like(x_TD);
  const auto add_rows = [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
    const int64_t width = std::min(panels * kernels::kPanel, d - column);
    for (int64_t r = 0; r < tile.rows; ++r) {
      Real* target = data(dx_TD) + call_.order.token_N[static_cast<size_t>(tile.first + r)] * d + column;
      kernels::primitives<Real>().axpy(Real{1}, c + r * ldc, width, target);
    }
  };
  kernels::multiply_backward<Real>(
      operand, d,
      [&](int64_t g, std::vector<Term>& terms) {
        terms.push_back({0, w_gate[static_cast<size_t>(g)]});
        terms.push_back({padded(f), w_up[static_cast<size_t>(g)]});
        if (!drops()) low_terms(g, terms);
      },
      call_.sequence, add_rows);
  const bool adapted = !gate_.a.empty() || !up_.a.empty();
  if (drops() && adapted) {
    std::vector<int64_t> hot_sequence;
    for (const int64_t g : call_.sequence) {
      if (gate_.adapted(g) || up_.adapted(g)) hot_sequence.push_back(g);
    }
    kernels::multiply_backward<Real>(operand, d, low_terms, hot_sequence,
                                     [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
                                       const int64_t width = std::min(panels * kernels::kPanel, d - column);
                                       std::vector<Real> mask(static_cast<size_t>(tile.rows * d));
                                       mask_rows(tile, d, call_.dropout.gate, mask.data());
                                       for (int64_t r = 0; r < tile.rows; ++r) {
                                         Real* target = data(dx_TD) + call_.order.token_N[static_cast<size_t>(tile.first + r)] * d + column;
                                         for (int64_t i = 0; i < width; ++i)
                                           target[i] += c[r * ldc + i] * mask[static_cast<size_t>(r * d + column + i)];
                                       }
                                     });
  }
  const Tensor x_low = drops() && adapted ? dropped_rows(gather(x_TD), d, call_.dropout.gate) : Tensor();
  const kernels::Rows<Real> low_rows_source = x_low.defined() ? plain(x_low) : gather(x_TD);
  const std::array<const Bank*, 2> banks = {&gate_, &up_};
  const std::array<const Tensor*, 2> v = {&v_gate, &v_up}, u = {&kept.u_gate, &kept.u_up}, dy = {&dgate, &dup};
  for (size_t i = 0; i < 2; ++i) {
    da[i] = zeros_like(banks[i]->a);
    db[i] = zeros_like(banks[i]->b);
    outer(da[i], *v[i], low_rows_source, d, false, *banks[i], false);
    outer(db[i], *u[i], plain(*dy[i]), f, true, *banks[i], true);
    dw[i] = zeros_like(banks[i]->own);
    outer(dw[i], *dy[i], gather(x_TD), d, false, *banks[i], false);
  }
}

template <class Real>
void Pass<Real>::backward(const Tensor& x_TD, const Tensor& w_TK, const Tensor& dout_TD, const Kept& kept) {
  const Tensor dgate = at::empty_like(kept.gate_NF), dup = at::empty_like(kept.up_NF);
  backward_down(dout_TD, sorted_weights(w_TK), kept, dgate, dup);
  dw_TK = dw_TK.view(w_TK.sizes());
  backward_gate_up(x_TD, kept, dgate, dup);
}

/// Tensors of one bank in the flat list that autograd sees: A…, B…, own….
void append(const ExpertBank& bank, std::vector<Tensor>& out) {
  for (const LowRank& one : bank.low) out.push_back(one.A_RI);
  for (const LowRank& one : bank.low) out.push_back(one.B_OR);
  for (const Tensor& one : bank.own) out.push_back(one);
}

Bank take(const ExpertBank& call, at::TensorList list, size_t& at) {
  Bank bank;
  bank.call = &call;
  const size_t low = call.low.size();
  for (size_t i = 0; i < low; ++i) bank.a.push_back(list[at + i]);
  for (size_t i = 0; i < low; ++i) bank.b.push_back(list[at + low + i]);
  for (size_t i = 0; i < call.own.size(); ++i) bank.own.push_back(list[at + 2 * low + i]);
  at += 2 * low + call.own.size();
  return bank;
}

template <class Real>
Pass<Real> make_pass(const ExpertCall& call, at::TensorList list, at::ScalarType real) {
  size_t at = 0;
  Bank gate = take(call.gate, list, at), up = take(call.up, list, at), down = take(call.down, list, at);
  return Pass<Real>(call, std::move(gate), std::move(up), std::move(down), real);
}

class ExpertMlp : public torch::autograd::Function<ExpertMlp> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x_TD, const Tensor& w_TK, at::TensorList params,
                        c10::intrusive_ptr<Holder> holder, bool grad) {
    return x_TD.scalar_type() == at::kDouble ? run<double>(ctx, x_TD.contiguous(), w_TK.contiguous(), params, holder, grad)
                                             : run<float>(ctx, x_TD.contiguous(), w_TK.contiguous(), params, holder, grad);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Tensor dout = grads[0].contiguous();
    return dout.scalar_type() == at::kDouble ? back<double>(ctx, dout) : back<float>(ctx, dout);
  }

 private:
  template <class Real>
  static Tensor run(AutogradContext* ctx, const Tensor& x, const Tensor& w, at::TensorList params, const c10::intrusive_ptr<Holder>& holder,
                    bool grad) {
    const ExpertCall& call = holder->call;
    auto pass = make_pass<Real>(call, params, x.scalar_type());
    typename Pass<Real>::Kept kept;
    const int64_t f = call.gate.frozen.empty() ? call.gate.own[0].size(0) : call.gate.frozen[0].n;
    Tensor out = pass.forward(x, w, f, &kept);
    if (!grad) return out;
    const Compute& compute = call.compute;
    variable_list saved = {compute.keep(x), w, compute.keep(kept.gate_NF), compute.keep(kept.up_NF), kept.u_gate, kept.u_up, kept.u_down};
    saved.insert(saved.end(), params.begin(), params.end());
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["call"] = c10::IValue::make_capsule(holder);
    return out;
  }

  template <class Real>
  static variable_list back(AutogradContext* ctx, const Tensor& dout) {
    const auto saved = ctx->get_saved_variables();
    const auto capsule = ctx->saved_data["call"].toCapsule();
    const ExpertCall& call = static_cast<const Holder&>(*capsule).call;
    const auto real = dout.scalar_type();
    constexpr size_t kOwn = 7;
    auto pass = make_pass<Real>(call, at::TensorList(saved).slice(kOwn), real);
    const typename Pass<Real>::Kept kept = {restore(saved[2], real), restore(saved[3], real), saved[4], saved[5], saved[6]};
    pass.backward(restore(saved[0], real), saved[1], dout, kept);
    variable_list out = {pass.dx_TD, pass.dw_TK};
    for (size_t i = 0; i < 3; ++i) {
      out.insert(out.end(), pass.da[i].begin(), pass.da[i].end());
      out.insert(out.end(), pass.db[i].begin(), pass.db[i].end());
      out.insert(out.end(), pass.dw[i].begin(), pass.dw[i].end());
    }
    out.emplace_back();  // the call
    out.emplace_back();  // grad
    return out;
  }
};

}  // namespace

Tensor expert_mlp(const Tensor& x_TD, const Tensor& weights_TK, ExpertCall call) {
  std::vector<Tensor> params;
  append(call.gate, params);
  append(call.up, params);
  append(call.down, params);
  bool grad = x_TD.requires_grad() || weights_TK.requires_grad();
  for (const Tensor& one : params) grad = grad || one.requires_grad();
  auto holder = c10::make_intrusive<Holder>();
  holder->call = std::move(call);
  return ExpertMlp::apply(x_TD, weights_TK, at::TensorList(params), std::move(holder), grad && at::GradMode::is_enabled());
}

int64_t low_rank_rows() { return low_rows; }

}  // namespace hellora
