#include "hellora/tensor/linear.h"

#include <array>

#include "hellora/core/error.h"
#include "hellora/kernels/grouped.h"
#include "hellora/tensor/held.h"

namespace hellora {
namespace {

using kernels::Packed;
using kernels::padded;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

kernels::Scratch& operand_scratch() {
  static thread_local kernels::Scratch scratch;
  return scratch;
}

/// What belongs to the maps beside their tensors.
struct Shared {
  std::vector<Packed> frozen;
  std::vector<double> scales;
  std::vector<uint8_t> own, low_rank;  // which maps have a trainable weight, which a low-rank part
  Compute compute;
  bool grad = false;  // a backward pass will follow

  /// Tensors of all maps in the list that autograd sees, which must be defined.
  size_t count() const {
    size_t total = 0;
    for (size_t i = 0; i < frozen.size(); ++i) total += own[i] + 2U * low_rank[i];
    return total;
  }
};

struct MapView {
  Tensor own, a, b;
};

std::vector<MapView> views(const Shared& shared, at::TensorList tensors) {
  std::vector<MapView> maps(shared.frozen.size());
  size_t at = 0;
  for (size_t i = 0; i < maps.size(); ++i) {
    if (shared.own[i] != 0) maps[i].own = tensors[at++];
    if (shared.low_rank[i] == 0) continue;
    maps[i].a = tensors[at++];
    maps[i].b = tensors[at++];
  }
  return maps;
}

/// The weight that takes part in products.
Packed weight_of(const Shared& shared, size_t i, const MapView& map, PassPacks& packs, at::ScalarType real) {
  return map.own.defined() ? packs.add(map.own, false, 1.0, shared.compute.operand_store(real)) : shared.frozen[i];
}

template <class Real>
kernels::Rows<Real> rows_of(const Tensor& x) {
  return {x.const_data_ptr<Real>(), x.stride(0), nullptr};
}

/// Copies a finished tile into rows of `out` (N, O).
template <class Real>
void store_tile(const kernels::RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc, Tensor& out) {
  const int64_t width = std::min(panels * kernels::kPanel, out.size(1) - column);
  for (int64_t r = 0; r < tile.rows; ++r)
    std::copy(c + r * ldc, c + r * ldc + width, out.data_ptr<Real>() + (tile.first + r) * out.stride(0) + column);
}

/// Everything one direction needs: the rows as one group.
template <class Real>
struct Pass {
  kernels::Math math;
  std::array<int64_t, 2> offsets;
  at::ScalarType real;
  PassPacks packs;

  Pass(const Shared& shared, int64_t rows, at::ScalarType dtype) : math(shared.compute.math), offsets{0, rows}, real(dtype) {}

  kernels::Operand<Real> operand(int64_t columns) const {
    const std::array<int64_t, 1> widths = {columns};
    return kernels::Operand<Real>(math, offsets, widths, operand_scratch());
  }

  void fill(const kernels::Operand<Real>& operand, int64_t at, const Tensor& x) const {
    const auto tiles = static_cast<int64_t>(operand.tiles().size());
#pragma omp parallel for schedule(dynamic)
    for (int64_t t = 0; t < tiles; ++t) operand.fill(static_cast<size_t>(t), at, rows_of<Real>(x), x.size(1), padded(x.size(1)));
  }

  /// x · wᵀ from the operand's part at `at`.
  Tensor forward(const kernels::Operand<Real>& operand, const std::vector<kernels::Term>& terms, int64_t outputs,
                 const Tensor& like) const {
    Tensor y = at::empty({offsets[1], outputs}, like.options());
    kernels::multiply_forward<Real>(
        operand, outputs, [&](int64_t, std::vector<kernels::Term>& out) { out = terms; }, {},
        [&](const kernels::RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
          store_tile(tile, column, panels, c, ldc, y);
        });
    return y;
  }

  Tensor backward(const kernels::Operand<Real>& operand, const std::vector<kernels::Term>& terms, int64_t inputs,
                  const Tensor& like) const {
    Tensor dx = at::empty({offsets[1], inputs}, like.options());
    kernels::multiply_backward<Real>(
        operand, inputs, [&](int64_t, std::vector<kernels::Term>& out) { out = terms; }, {},
        [&](const kernels::RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
          store_tile(tile, column, panels, c, ldc, dx);
        });
    return dx;
  }

  /// scale · leftᵀ right, as (left columns, right columns).
  Tensor outer(const Tensor& left, const Tensor& right, double scale) const {
    Tensor out = at::zeros({left.size(1), right.size(1)}, left.options());
    kernels::add_outer<Real>(offsets, rows_of<Real>(left), left.size(1), rows_of<Real>(right), right.size(1), [&](int64_t) {
      return kernels::Target<Real>{out.data_ptr<Real>(), out.size(1), 1, static_cast<Real>(scale)};
    });
    return out;
  }
};

/// Low-rank activations u = x_low Aᵀ of every adapted map; x_low is the operand's first part.
template <class Real>
std::vector<Tensor> low_activations(Pass<Real>& pass, const Shared& shared, const std::vector<MapView>& maps,
                                    const kernels::Operand<Real>& operand, const Tensor& x_low) {
  std::vector<Tensor> u(maps.size());
  for (size_t i = 0; i < maps.size(); ++i) {
    if (!maps[i].a.defined()) continue;
    u[i] = pass.forward(operand, {{0, pass.packs.add(maps[i].a, false, 1.0, shared.compute.operand_store(pass.real))}}, maps[i].a.size(0),
                        x_low);
  }
  return u;
}

bool any_low(const std::vector<MapView>& maps) {
  return std::any_of(maps.begin(), maps.end(), [](const MapView& map) { return map.a.defined(); });
}
bool any_own(const std::vector<MapView>& maps) {
  return std::any_of(maps.begin(), maps.end(), [](const MapView& map) { return map.own.defined(); });
}

template <class Real>
variable_list run_forward(const Shared& shared, const std::vector<MapView>& maps, const Tensor& x, const Tensor& x_low,
                          std::vector<Tensor>* u) {
  Pass<Real> pass(shared, x.size(0), x.scalar_type());
  const auto store = shared.compute.operand_store(x.scalar_type());
  if (x_low.defined()) {  // its own operand first: both use the same scratch
    const auto low = pass.operand(padded(x.size(1)));
    pass.fill(low, 0, x_low);
    *u = low_activations(pass, shared, maps, low, x_low);
  }
  int64_t columns = padded(x.size(1));
  std::vector<int64_t> at(maps.size());
  for (size_t i = 0; i < maps.size(); ++i) {
    at[i] = columns;
    if (maps[i].a.defined()) columns += padded(maps[i].a.size(0));
  }
  const auto operand = pass.operand(columns);
  pass.fill(operand, 0, x);
  if (!x_low.defined()) *u = low_activations(pass, shared, maps, operand, x);
  variable_list out;
  for (size_t i = 0; i < maps.size(); ++i) {
    const Packed w = weight_of(shared, i, maps[i], pass.packs, pass.real);
    std::vector<kernels::Term> terms = {{0, w}};
    if (maps[i].a.defined()) {
      pass.fill(operand, at[i], (*u)[i]);
      terms.push_back({at[i], pass.packs.add(maps[i].b, false, shared.scales[i], store)});
    }
    out.push_back(pass.forward(operand, terms, w.n, x));
  }
  return out;
}

struct Gradients {
  Tensor dx, dx_low;
  std::vector<Tensor> maps;  // own, A, B of each, as far as it has them
};

template <class Real>
Gradients run_backward(const Shared& shared, const std::vector<MapView>& maps, const std::vector<Tensor>& u, const Tensor& x,
                       const Tensor& x_low, const variable_list& dy, bool needs_dx) {
  const Tensor& like = dy[0];
  Pass<Real> pass(shared, like.size(0), like.scalar_type());
  const auto store = shared.compute.operand_store(pass.real);
  Gradients out;
  int64_t columns = 0;
  std::vector<int64_t> at, low_at(maps.size());
  for (const Tensor& one : dy) {
    at.push_back(columns);
    columns += padded(one.size(1));
  }
  for (size_t i = 0; i < maps.size(); ++i) {
    low_at[i] = columns;
    if (maps[i].a.defined()) columns += padded(maps[i].a.size(0));
  }
  const auto operand = pass.operand(columns);
  std::vector<kernels::Term> terms, low_terms;
  int64_t inputs = 0;
  for (size_t i = 0; i < maps.size(); ++i) {
    const MapView& map = maps[i];
    pass.fill(operand, at[i], dy[i]);
    const Packed w = weight_of(shared, i, map, pass.packs, pass.real);
    inputs = w.k;
    terms.push_back({at[i], w});
    if (map.own.defined()) out.maps.push_back(pass.outer(dy[i], x, 1.0));
    if (!map.a.defined()) continue;
    // v = scale · dy B: a forward product with Bᵀ
    const Tensor v = pass.forward(operand, {{at[i], pass.packs.add(map.b, true, shared.scales[i], store)}}, map.b.size(1), like);
    pass.fill(operand, low_at[i], v);
    out.maps.push_back(pass.outer(v, x_low.defined() ? x_low : x, 1.0));
    out.maps.push_back(pass.outer(dy[i], u[i], shared.scales[i]));
    (x_low.defined() ? low_terms : terms).push_back({low_at[i], pass.packs.add(map.a, false, 1.0, store)});
  }
  if (needs_dx) out.dx = pass.backward(operand, terms, inputs, like);
  if (!low_terms.empty()) out.dx_low = pass.backward(operand, low_terms, inputs, like);
  return out;
}

class Linear : public torch::autograd::Function<Linear> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& x_NI, const std::optional<Tensor>& x_low_NI, at::TensorList tensors,
                               Shared shared) {
    const std::vector<MapView> maps = views(shared, tensors);
    const Tensor x = x_NI.contiguous(), x_low = x_low_NI ? x_low_NI->contiguous() : Tensor();
    std::vector<Tensor> u;
    variable_list out =
        x.scalar_type() == at::kDouble ? run_forward<double>(shared, maps, x, x_low, &u) : run_forward<float>(shared, maps, x, x_low, &u);
    if (!shared.grad) return out;
    const bool needs_x = any_own(maps) || (any_low(maps) && !x_low.defined());
    variable_list saved = {needs_x ? shared.compute.keep(x) : Tensor(), x_low.defined() ? shared.compute.keep(x_low) : Tensor()};
    saved.insert(saved.end(), tensors.begin(), tensors.end());
    saved.insert(saved.end(), u.begin(), u.end());
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["x_grad"] = x_NI.requires_grad();
    hold(ctx, std::move(shared));
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Shared& shared = held<Shared>(ctx);
    const size_t count = shared.count();
    const std::vector<MapView> maps = views(shared, at::TensorList(saved).slice(2, count));
    const std::vector<Tensor> u(saved.begin() + static_cast<std::ptrdiff_t>(2 + count), saved.end());
    for (Tensor& dy : grads) dy = dy.contiguous();
    const auto real = grads[0].scalar_type();
    const auto back = [&](const Tensor& kept) { return kept.defined() ? restore(kept, real) : Tensor(); };
    const bool needs_dx = ctx->saved_data["x_grad"].toBool();
    Gradients g = real == at::kDouble ? run_backward<double>(shared, maps, u, back(saved[0]), back(saved[1]), grads, needs_dx)
                                      : run_backward<float>(shared, maps, u, back(saved[0]), back(saved[1]), grads, needs_dx);
    variable_list out = {g.dx, g.dx_low};
    out.insert(out.end(), g.maps.begin(), g.maps.end());
    out.emplace_back();  // shared
    return out;
  }
};

}  // namespace

std::vector<Tensor> linear(const Tensor& x_NI, const Tensor& x_low_NI, std::span<const LinearMap> maps, const Compute& compute) {
  HELLORA_CHECK(!maps.empty(), "at least one map");
  std::vector<Tensor> tensors;
  Shared shared;
  shared.compute = compute;
  shared.grad = at::GradMode::is_enabled() && (x_NI.requires_grad() || (x_low_NI.defined() && x_low_NI.requires_grad()));
  for (const LinearMap& map : maps) {
    for (const Tensor& one : {map.own, map.low_rank.A_RI, map.low_rank.A_RI.defined() ? map.low_rank.whole_B() : Tensor()}) {
      if (!one.defined()) continue;
      tensors.push_back(one);
      shared.grad = shared.grad || (at::GradMode::is_enabled() && one.requires_grad());
    }
    shared.own.push_back(map.own.defined() ? 1 : 0);
    shared.low_rank.push_back(map.low_rank.A_RI.defined() ? 1 : 0);
    HELLORA_CHECK(compute.math == kernels::Math::full || map.own.defined() || map.frozen.store == kernels::WeightType::bf16,
                  "bf16 products read bf16 weights");
    shared.frozen.push_back(map.frozen);
    shared.scales.push_back(map.low_rank.scale);
  }
  return Linear::apply(x_NI, x_low_NI.defined() ? std::optional(x_low_NI) : std::nullopt, at::TensorList(tensors), std::move(shared));
}

}  // namespace hellora
