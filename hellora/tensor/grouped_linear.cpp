#include "hellora/tensor/grouped_linear.h"

#include <algorithm>
#include <numeric>

#include "hellora/core/error.h"
#include "hellora/tensor/grouped_pass.h"
#include "hellora/tensor/held.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What belongs to the maps beside their tensors.
struct Shared {
  std::vector<GroupedMap> maps;
  RowGroups groups;
  Compute compute;
  bool x_grad = false;
};

/// Inputs of one direction.
struct Inputs {
  Tensor x, x_low_NI;
  std::vector<GroupedParams> params;  // of each map
};

template <class Real>
class LinearPass : GroupedPass<Real> {
 public:
  LinearPass(const Shared& shared, const Inputs& in, at::ScalarType real)
      : GroupedPass<Real>(shared.groups.offsets, shared.compute, real), groups_(shared.groups), in_(in) {
    for (const GroupedParams& params : in.params) adapted_ = std::max(adapted_, params.a.size());
  }

  /// Outputs of the maps, and the low-rank activations u of each.
  variable_list forward(std::vector<Tensor>* u);
  void backward(const variable_list& dy, const std::vector<Tensor>& u, bool needs_dx, int64_t x_rows);

  // Results of backward.
  Tensor dx, dx_low;
  variable_list maps;  // A…, B…, own… of each map, then its gate

 private:
  using Base = GroupedPass<Real>;
  using Base::data, Base::plain, Base::gathered, Base::rows_, Base::options, Base::outer;

  bool adapted(int64_t g) const { return static_cast<size_t>(g) < adapted_; }
  /// What low-rank parts read.
  kernels::Rows<Real> low_source() const { return in_.x_low_NI.defined() ? plain(in_.x_low_NI) : gathered(in_.x, groups_.row_N); }
  Tensor input_gradient(const kernels::Operand<Real>& operand, const kernels::TermsOf& terms, int64_t inputs, int64_t x_rows);
  Tensor low_input_gradient(const kernels::Operand<Real>& operand, const kernels::TermsOf& terms, int64_t inputs);
  void factor_gradients(const GroupedParams& params, const Tensor& dy, const Tensor& u, const typename Base::LowGradient& low);

  const RowGroups& groups_;
  const Inputs& in_;
  size_t adapted_ = 0;  // the first groups have a low-rank part in some map
};

template <class Real>
variable_list LinearPass<Real>::forward(std::vector<Tensor>* u) {
  const int64_t inputs = in_.x.size(1), wide = padded(inputs);
  const bool apart = in_.x_low_NI.defined();
  std::vector<std::vector<Packed>> a;
  for (const GroupedParams& params : in_.params) {
    a.push_back(this->a_packs(params));
    u->push_back(this->low_rows(params));
  }
  std::vector<int64_t> columns;  // x | u of each map | x_low
  for (int64_t g = 0; g < this->groups(); ++g) {
    int64_t width = wide + (apart && adapted(g) ? wide : 0);
    for (const GroupedParams& params : in_.params) width += padded(params.rank(g));
    columns.push_back(width);
  }
  const kernels::Operand<Real> operand(this->compute_.math, this->offsets_, columns, grouped_scratch());
  this->for_tiles(operand, [&](size_t t, const RowTile& tile) {
    const int64_t g = tile.group;
    operand.fill(t, 0, gathered(in_.x, groups_.row_N), inputs, wide);
    if (!adapted(g)) return;
    const int64_t low_at = apart ? columns[static_cast<size_t>(g)] - wide : 0;
    if (apart) operand.fill(t, low_at, plain(in_.x_low_NI), inputs, wide);
    int64_t at = wide;
    for (size_t i = 0; i < in_.params.size(); ++i) {
      const GroupedParams& params = in_.params[i];
      if (!params.adapted(g)) continue;
      this->low_part(operand, t, low_at, a[i][static_cast<size_t>(g)], (*u)[i], at, params.map->gate_NR);
      at += padded(params.rank(g));
    }
  });
  variable_list out;
  for (size_t i = 0; i < in_.params.size(); ++i) {
    const std::vector<Packed> w = this->weights(in_.params[i]), b = this->b_packs(in_.params[i], false);
    const int64_t outputs = w[0].n;
    const Tensor y_NO = at::empty({rows_, outputs}, options());
    kernels::multiply_forward<Real>(
        operand, outputs,
        [&](int64_t g, std::vector<Term>& terms) {
          terms.push_back({0, w[static_cast<size_t>(g)]});
          if (!in_.params[i].adapted(g)) return;
          int64_t at = wide;
          for (size_t j = 0; j < i; ++j) at += padded(in_.params[j].rank(g));
          terms.push_back({at, b[static_cast<size_t>(g)]});
        },
        {},
        [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
          const int64_t width = std::min(panels * kernels::kPanel, outputs - column);
          for (int64_t r = 0; r < tile.rows; ++r)
            std::copy(c + r * ldc, c + r * ldc + width, data(y_NO) + (tile.first + r) * outputs + column);
        });
    out.push_back(y_NO);
  }
  return out;
}

/// dx: rows that read the same input row are added up in the order of the sequence.
template <class Real>
Tensor LinearPass<Real>::input_gradient(const kernels::Operand<Real>& operand, const kernels::TermsOf& terms, int64_t inputs,
                                        int64_t x_rows) {
  const bool shared = !groups_.row_N.empty();
  Tensor out = shared ? at::zeros({x_rows, inputs}, options()) : at::empty({rows_, inputs}, options());
  kernels::multiply_backward<Real>(operand, inputs, terms, shared ? groups_.sequence : std::span<const int64_t>(),
                                   [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
                                     const int64_t width = std::min(panels * kernels::kPanel, inputs - column);
                                     for (int64_t r = 0; r < tile.rows; ++r) {
                                       const int64_t n = tile.first + r;
                                       if (shared) {
                                         Real* to = data(out) + groups_.row_N[static_cast<size_t>(n)] * inputs + column;
                                         kernels::primitives<Real>().axpy(Real{1}, c + r * ldc, width, to);
                                       } else {
                                         std::copy(c + r * ldc, c + r * ldc + width, data(out) + n * inputs + column);
                                       }
                                     }
                                   });
  return out;
}

template <class Real>
Tensor LinearPass<Real>::low_input_gradient(const kernels::Operand<Real>& operand, const kernels::TermsOf& terms, int64_t inputs) {
  Tensor out = at::empty({this->rows_of_first(adapted_), inputs}, options());
  std::vector<int64_t> groups(adapted_);  // the others have no such terms
  std::iota(groups.begin(), groups.end(), 0);
  kernels::multiply_backward<Real>(operand, inputs, terms, groups,
                                   [&](const RowTile& tile, int64_t column, int64_t panels, const Real* c, int64_t ldc) {
                                     const int64_t width = std::min(panels * kernels::kPanel, inputs - column);
                                     for (int64_t r = 0; r < tile.rows; ++r)
                                       std::copy(c + r * ldc, c + r * ldc + width, data(out) + (tile.first + r) * inputs + column);
                                   });
  return out;
}

template <class Real>
void LinearPass<Real>::factor_gradients(const GroupedParams& params, const Tensor& dy, const Tensor& u,
                                        const typename Base::LowGradient& low) {
  const Tensor& gate_NR = params.map->gate_NR;
  std::vector<Tensor> da = Base::zeros_like(params.a), dw = Base::zeros_like(params.own);
  if (!da.empty()) outer(da, gate_NR.defined() ? low.v_a * gate_NR : low.v_a, low_source(), da[0].size(1), false);
  std::vector<Tensor> db = this->gradients_of_b(params, gate_NR.defined() ? u * gate_NR : u, plain(dy), dy.size(1));
  if (!dw.empty()) outer(dw, dy, gathered(in_.x, groups_.row_N), in_.x.size(1), false);
  for (auto* list : {&da, &db, &dw}) maps.insert(maps.end(), list->begin(), list->end());
  if (gate_NR.defined()) maps.push_back(low.v * u);
}

template <class Real>
void LinearPass<Real>::backward(const variable_list& dy, const std::vector<Tensor>& u, bool needs_dx, int64_t x_rows) {
  const size_t count = in_.params.size();
  std::vector<std::vector<Packed>> a;
  std::vector<typename Base::LowGradient> low;
  std::vector<int64_t> at = {0};
  for (size_t i = 0; i < count; ++i) {
    const GroupedParams& params = in_.params[i];
    a.push_back(this->a_packs(params));
    low.push_back(this->low_gradient(params));
    at.push_back(at.back() + padded(dy[i].size(1)));
  }
  std::vector<int64_t> columns;  // dy of each map | v of each map
  for (int64_t g = 0; g < this->groups(); ++g) {
    columns.push_back(at.back());
    for (const GroupedParams& params : in_.params) columns.back() += padded(params.rank(g));
  }
  const kernels::Operand<Real> operand(this->compute_.math, this->offsets_, columns, grouped_scratch());
  this->for_tiles(operand, [&](size_t t, const RowTile& tile) {
    const int64_t g = tile.group;
    int64_t low_at = at.back();
    for (size_t i = 0; i < count; ++i) {
      const GroupedParams& params = in_.params[i];
      operand.fill(t, at[i], plain(dy[i]), dy[i].size(1), padded(dy[i].size(1)));
      if (!params.adapted(g)) continue;
      this->low_gradient_part(operand, t, at[i], low[i], low_at, params.map->gate_NR);
      low_at += padded(params.rank(g));
    }
  });
  const kernels::TermsOf low_terms = [&](int64_t g, std::vector<Term>& terms) {
    int64_t low_at = at.back();
    for (size_t i = 0; i < count; ++i) {
      if (!in_.params[i].adapted(g)) continue;
      terms.push_back({low_at, a[i][static_cast<size_t>(g)]});
      low_at += padded(in_.params[i].rank(g));
    }
  };
  if (needs_dx) {
    std::vector<std::vector<Packed>> w;
    for (const GroupedParams& params : in_.params) w.push_back(this->weights(params));
    const kernels::TermsOf terms = [&](int64_t g, std::vector<Term>& out) {
      for (size_t i = 0; i < count; ++i) out.push_back({at[i], w[i][static_cast<size_t>(g)]});
      if (!in_.x_low_NI.defined()) low_terms(g, out);
    };
    dx = input_gradient(operand, terms, w[0][0].k, x_rows);
  }
  if (in_.x_low_NI.defined() && adapted_ > 0) dx_low = low_input_gradient(operand, low_terms, in_.x_low_NI.size(1));
  for (size_t i = 0; i < count; ++i) factor_gradients(in_.params[i], dy[i], u[i], low[i]);
}

class GroupedLinear : public torch::autograd::Function<GroupedLinear> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const std::optional<Tensor>& x_low_NI, at::TensorList tensors,
                               Shared shared, bool grad) {
    const Inputs in = {x.contiguous(), x_low_NI ? x_low_NI->contiguous() : Tensor(), params_of(shared, tensors)};
    std::vector<Tensor> u;
    variable_list out = x.scalar_type() == at::kDouble ? LinearPass<double>(shared, in, at::kDouble).forward(&u)
                                                       : LinearPass<float>(shared, in, at::kFloat).forward(&u);
    if (!grad) return out;
    const bool low = in.x_low_NI.defined();
    bool needs_x = false;
    for (const GroupedParams& params : in.params) needs_x = needs_x || !params.own.empty() || (!params.a.empty() && !low);
    variable_list saved = {needs_x ? shared.compute.keep(in.x) : Tensor(), low ? shared.compute.keep(in.x_low_NI) : Tensor()};
    saved.insert(saved.end(), tensors.begin(), tensors.end());
    saved.insert(saved.end(), u.begin(), u.end());
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["tensors"] = static_cast<int64_t>(tensors.size());
    ctx->saved_data["x_rows"] = x.size(0);
    hold(ctx, std::move(shared));
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto count = static_cast<size_t>(ctx->saved_data["tensors"].toInt());
    for (Tensor& dy : grads) dy = dy.contiguous();
    return grads[0].scalar_type() == at::kDouble ? back<double>(ctx, saved, count, grads) : back<float>(ctx, saved, count, grads);
  }

 private:
  static std::vector<GroupedParams> params_of(const Shared& shared, at::TensorList tensors) {
    std::vector<GroupedParams> params;
    size_t at = 0;
    for (const GroupedMap& map : shared.maps) {
      params.push_back(take_params(map, tensors, at));
      if (map.gate_NR.defined()) ++at;  // the map has it
    }
    return params;
  }

  template <class Real>
  static variable_list back(AutogradContext* ctx, const variable_list& saved, size_t count, const variable_list& dy) {
    const Shared& shared = held<Shared>(ctx);
    const auto real = dy[0].scalar_type();
    const auto back = [&](const Tensor& kept) { return kept.defined() ? restore(kept, real) : Tensor(); };
    const Inputs in = {back(saved[0]), back(saved[1]), params_of(shared, at::TensorList(saved).slice(2, count))};
    const std::vector<Tensor> u(saved.begin() + static_cast<std::ptrdiff_t>(2 + count), saved.end());
    LinearPass<Real> pass(shared, in, real);
    pass.backward(dy, u, shared.x_grad, ctx->saved_data["x_rows"].toInt());
    variable_list out = {pass.dx, pass.dx_low};
    out.insert(out.end(), pass.maps.begin(), pass.maps.end());
    out.emplace_back();  // shared
    out.emplace_back();  // grad
    return out;
  }
};

}  // namespace

std::vector<Tensor> grouped_linear(const Tensor& x, const Tensor& x_low_NI, const RowGroups& groups, std::span<const GroupedMap> maps,
                                   const Compute& compute) {
  HELLORA_CHECK(!maps.empty(), "at least one map");
  std::vector<Tensor> tensors;
  Shared shared{{maps.begin(), maps.end()}, groups, compute, x.requires_grad()};
  for (GroupedMap& map : shared.maps) {
    append_params(map, tensors);
    if (map.gate_NR.defined()) tensors.push_back(map.gate_NR = map.gate_NR.contiguous());
    for (size_t g = 0; g < map.frozen.size(); ++g) {
      HELLORA_CHECK(compute.math == kernels::Math::full || g < map.own.size() || map.frozen[g].store == kernels::WeightType::bf16,
                    "bf16 products read bf16 weights");
    }
  }
  bool grad = x.requires_grad() || (x_low_NI.defined() && x_low_NI.requires_grad());
  for (const Tensor& one : tensors) grad = grad || one.requires_grad();
  return GroupedLinear::apply(x, x_low_NI.defined() ? std::optional(x_low_NI) : std::nullopt, at::TensorList(tensors), std::move(shared),
                              grad && at::GradMode::is_enabled());
}

std::vector<Tensor> linear(const Tensor& x_NI, const Tensor& x_low_NI, std::span<const GroupedMap> maps, const Compute& compute) {
  return grouped_linear(x_NI, x_low_NI, {{0, x_NI.size(0)}, {}, {}}, maps, compute);
}

Tensor linear(const Tensor& x_NI, const kernels::Packed& frozen, const Compute& compute) {
  const GroupedMap map{{frozen}};
  return linear(x_NI, {}, {&map, 1}, compute)[0];
}

}  // namespace hellora
