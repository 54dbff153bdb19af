#include "hellora/tensor/grouped_pass.h"

#include <algorithm>
#include <array>
#include <atomic>

namespace hellora {
namespace {

std::atomic<int64_t> low_count{0};

}  // namespace

int64_t low_rank_rows() { return low_count; }

kernels::Scratch& grouped_scratch() {
  static thread_local kernels::Scratch scratch;
  return scratch;
}

bool GroupedParams::regraded() const {
  return std::any_of(map->low_rank.begin(), map->low_rank.end(), [](const LowRank& one) { return one.grad_O.defined(); });
}

int64_t GroupedParams::widest() const {
  int64_t most = 0;
  for (const Tensor& one : a) most = std::max(most, one.size(0));
  return most;
}

void append_params(const GroupedMap& map, std::vector<Tensor>& out) {
  for (const LowRank& one : map.low_rank) out.push_back(one.A_RI);
  for (const LowRank& one : map.low_rank) out.push_back(one.whole_B());
  for (const Tensor& one : map.own) out.push_back(one);
}

GroupedParams take_params(const GroupedMap& map, at::TensorList list, size_t& at) {
  GroupedParams params;
  params.map = &map;
  const auto take = [&](std::vector<Tensor>& to, size_t count) {
    for (size_t i = 0; i < count; ++i) to.push_back(list[at++]);
  };
  take(params.a, map.low_rank.size());
  take(params.b, map.low_rank.size());
  take(params.own, map.own.size());
  return params;
}

template <class Real>
std::vector<Packed> GroupedPass<Real>::weights(const GroupedParams& params) {
  std::vector<Packed> out = params.map->frozen;
  for (size_t g = 0; g < params.own.size(); ++g) {
    if (group_rows(static_cast<int64_t>(g)) > 0) out[g] = packs_.add(params.own[g], false, 1.0, store_);
  }
  return out;
}

template <class Real>
std::vector<Packed> GroupedPass<Real>::a_packs(const GroupedParams& params) {
  std::vector<Packed> out(params.a.size());
  for (size_t g = 0; g < params.a.size(); ++g) {
    if (group_rows(static_cast<int64_t>(g)) > 0) out[g] = packs_.add(params.a[g], false, 1.0, store_);
  }
  return out;
}

template <class Real>
std::vector<Packed> GroupedPass<Real>::b_packs(const GroupedParams& params, bool transposed) {
  std::vector<Packed> out(params.b.size());
  for (size_t g = 0; g < params.b.size(); ++g) {
    const auto group = static_cast<int64_t>(g);
    if (group_rows(group) > 0) out[g] = packs_.add(params.b[g], transposed, params.scale(group), store_);
  }
  return out;
}

template <class Real>
Tensor GroupedPass<Real>::low_rows(const GroupedParams& params) const {
  const std::vector<int64_t> sizes = {params.a.empty() ? 0 : rows_of_first(params.a.size()), params.widest()};
  return params.map->gate_NR.defined() ? at::zeros(sizes, options()) : at::empty(sizes, options());
}

template <class Real>
void GroupedPass<Real>::low_product(const kernels::Operand<Real>& operand, size_t t, int64_t at, const Packed& factor,
                                    const Tensor& out) const {
  const RowTile& tile = operand.tiles()[t];
  low_count += tile.rows;
  alignas(64) std::array<Real, static_cast<size_t>(kernels::kMaxTileRows) * kernels::kPanel> c;
  for (int64_t p = 0; p < factor.panels(); ++p) {
    const kernels::Segment segment = operand.segment(t, at, factor.padded_k(), factor.panel(p), factor.store);
    kernels::primitives<Real>().tile(operand.math(), tile.rows, &segment, 1, c.data(), kernels::kPanel, false);
    const int64_t width = std::min(kernels::kPanel, factor.n - p * kernels::kPanel);
    for (int64_t r = 0; r < tile.rows; ++r) {
      std::copy(c.data() + r * kernels::kPanel, c.data() + r * kernels::kPanel + width,
                data(out) + (tile.first + r) * out.size(1) + p * kernels::kPanel);
    }
  }
}

template <class Real>
void GroupedPass<Real>::low_part(const kernels::Operand<Real>& operand, size_t t, int64_t at, const Packed& factor, const Tensor& out,
                                 int64_t to, const Tensor& gate_NR) const {
  low_product(operand, t, at, factor, out);
  const int64_t rank = factor.n;
  if (!gate_NR.defined()) {
    operand.fill(t, to, plain(out), rank, padded(rank));
    return;
  }
  const RowTile& tile = operand.tiles()[t];
  std::vector<Real> gated(static_cast<size_t>(tile.rows * rank));
  std::array<const Real*, kernels::kMaxTileRows> source{};
  for (int64_t r = 0; r < tile.rows; ++r) {
    const Real *u = data(out) + (tile.first + r) * out.size(1), *gate = data(gate_NR) + (tile.first + r) * gate_NR.size(1);
    for (int64_t i = 0; i < rank; ++i) gated[static_cast<size_t>(r * rank + i)] = u[i] * gate[i];
    source[static_cast<size_t>(r)] = gated.data() + r * rank;
  }
  operand.fill(t, to, source.data(), rank, padded(rank));
}

template <class Real>
typename GroupedPass<Real>::LowGradient GroupedPass<Real>::low_gradient(const GroupedParams& params) {
  LowGradient low{low_rows(params), {}, b_packs(params, true), {}};
  low.v_a = low.v;
  if (!params.regraded()) return low;
  low.v_a = low_rows(params);
  low.b_a.resize(params.b.size());
  for (size_t g = 0; g < params.b.size(); ++g) {
    const auto group = static_cast<int64_t>(g);
    const Tensor& factor_O = params.low_rank(group).grad_O;
    const Tensor b_OR = factor_O.defined() ? params.b[g] * factor_O.unsqueeze(1) : params.b[g];
    if (group_rows(group) > 0) low.b_a[g] = packs_.add(b_OR, true, params.scale(group), store_);
  }
  return low;
}

template <class Real>
void GroupedPass<Real>::low_gradient_part(const kernels::Operand<Real>& operand, size_t t, int64_t at, const LowGradient& low, int64_t to,
                                          const Tensor& gate_NR) const {
  const auto g = static_cast<size_t>(operand.tiles()[t].group);
  low_part(operand, t, at, low.b[g], low.v, to, gate_NR);
  if (!low.b_a.empty()) low_product(operand, t, at, low.b_a[g], low.v_a);
}

template <class Real>
std::vector<Tensor> GroupedPass<Real>::zeros_like(const std::vector<Tensor>& params) {
  std::vector<Tensor> out;
  for (const Tensor& one : params) out.push_back(at::zeros(one.sizes(), one.options()));  // by rows, however the parameter lies
  return out;
}

template <class Real>
void GroupedPass<Real>::outer(const std::vector<Tensor>& out, const Tensor& left, const kernels::Rows<Real>& right, int64_t n,
                              bool transposed) const {
  if (out.empty()) return;
  kernels::add_outer<Real>(std::span(offsets_).first(out.size() + 1), plain(left), left.size(1), right, n, [&](int64_t g) {
    const Tensor& target = out[static_cast<size_t>(g)];
    kernels::Target<Real> place{data(target), target.size(1), 1, Real{1}, target.size(0)};
    if (transposed) {
      std::swap(place.row, place.column);
      place.rows = target.size(1);  // ranks may differ: columns of `left` behind a group's own rank are not its
    }
    return place;
  });
}

template <class Real>
std::vector<Tensor> GroupedPass<Real>::gradients_of_b(const GroupedParams& params, const Tensor& u, const kernels::Rows<Real>& dy,
                                                      int64_t n) const {
  std::vector<Tensor> out = zeros_like(params.b);
  if (out.empty()) return out;
  kernels::add_outer<Real>(std::span(offsets_).first(out.size() + 1), plain(u), u.size(1), dy, n, [&](int64_t g) {
    const Tensor& target = out[static_cast<size_t>(g)];
    return kernels::Target<Real>{data(target), 1, target.size(1), static_cast<Real>(params.scale(g)), target.size(1)};
  });
  for (size_t g = 0; g < out.size(); ++g) {
    const Tensor& factor_O = params.map->low_rank[g].grad_O;
    if (factor_O.defined()) out[g] *= factor_O.unsqueeze(1);
  }
  return out;
}

template class GroupedPass<float>;
template class GroupedPass<double>;

}  // namespace hellora
