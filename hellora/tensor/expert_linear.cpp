#include "hellora/tensor/expert_linear.h"

#include "hellora/core/error.h"
#include "hellora/tensor/parallel.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Groups {  // where each ordinal's rows lie
  std::vector<int64_t> offsets;
  Tensor rows(const Tensor& all, int64_t j) const { return all.narrow(0, offsets[size_t(j)], count(j)); }
  int64_t count(int64_t j) const { return offsets[size_t(j) + 1] - offsets[size_t(j)]; }
  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
};

Tensor widened(const Tensor& w, at::ScalarType dtype) { return w.scalar_type() == dtype ? w : w.to(dtype); }

class ExpertLinear : public torch::autograd::Function<ExpertLinear> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x_NI, const std::optional<Tensor>& x_low_NI, at::TensorList w, at::TensorList a,
                        at::TensorList b, std::vector<int64_t> offsets, std::vector<double> scales) {
    const Groups groups{std::move(offsets)};
    const Tensor x = x_NI.contiguous(), x_low = x_low_NI ? x_low_NI->contiguous() : x;
    Tensor y_NO = at::empty({x.size(0), w[0].size(0)}, x.options());
    std::vector<Tensor> u(a.size());
    parallel_tasks(groups.size(), [&](int64_t j) {
      if (groups.count(j) == 0) return;
      Tensor y = groups.rows(y_NO, j);
      at::mm_out(y, groups.rows(x, j), widened(w[size_t(j)], x.scalar_type()).t());
      if (size_t(j) >= a.size()) return;
      u[size_t(j)] = at::mm(groups.rows(x_low, j), a[size_t(j)].t());
      y.addmm_(u[size_t(j)], b[size_t(j)].t(), 1.0, scales[size_t(j)]);
    });
    save(ctx, x, x_low_NI ? x_low : Tensor(), w, a, b, u);
    ctx->saved_data["offsets"] = groups.offsets;
    ctx->saved_data["scales"] = std::move(scales);
    return y_NO;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const int64_t experts = ctx->saved_data["experts"].toInt(), hot = ctx->saved_data["hot"].toInt();
    const auto scales = ctx->saved_data["scales"].toDoubleVector();
    const Groups groups{ctx->saved_data["offsets"].toIntVector()};
    const Tensor &x = saved[0], &x_low = saved[1];
    const auto w = [&](int64_t j) -> const Tensor& { return saved[size_t(2 + j)]; };
    const auto part = [&](int64_t which, int64_t j) -> const Tensor& { return saved[size_t(2 + experts + which * hot + j)]; };
    const Tensor dy_NO = grads[0].contiguous();
    const bool low_apart = ctx->saved_data["low_apart"].toBool();

    variable_list out(size_t(2 + experts + 2 * hot + 2));
    Tensor dx = at::empty({dy_NO.size(0), w(0).size(1)}, dy_NO.options());
    const int64_t hot_rows = groups.offsets[size_t(hot)];
    Tensor dx_low = low_apart ? at::empty({hot_rows, dx.size(1)}, dy_NO.options()) : Tensor();
    parallel_tasks(experts, [&](int64_t j) {
      if (groups.count(j) == 0) return;
      const Tensor dy = groups.rows(dy_NO, j);
      Tensor dx_j = groups.rows(dx, j);
      at::mm_out(dx_j, dy, widened(w(j), dy.scalar_type()));
      if (w(j).requires_grad()) out[size_t(2 + j)] = at::mm(dy.t(), groups.rows(x, j));
      if (j >= hot) return;
      const Tensor v = at::mm(dy, part(1, j)).mul_(scales[size_t(j)]);  // s · dy B
      out[size_t(2 + experts + j)] = at::mm(v.t(), groups.rows(low_apart ? x_low : x, j));
      out[size_t(2 + experts + hot + j)] = at::mm(dy.t(), part(2, j)).mul_(scales[size_t(j)]);
      if (low_apart) {
        Tensor target = groups.rows(dx_low, j);
        at::mm_out(target, v, part(0, j));
      } else {
        dx_j.addmm_(v, part(0, j));
      }
    });
    out[0] = dx;
    out[1] = dx_low;
    return out;
  }

 private:
  // Saved: x (only where a gradient needs it), x_low, w…, A…, B…, u…
  static void save(AutogradContext* ctx, const Tensor& x, const Tensor& x_low, at::TensorList w, at::TensorList a, at::TensorList b,
                   const std::vector<Tensor>& u) {
    bool weight_gradients = false;
    for (const Tensor& one : w) weight_gradients |= one.requires_grad();
    const bool low_apart = x_low.defined();
    const bool needs_x = weight_gradients || (!a.empty() && !low_apart);
    variable_list saved = {needs_x ? x : Tensor(), x_low};
    saved.insert(saved.end(), w.begin(), w.end());
    saved.insert(saved.end(), a.begin(), a.end());
    saved.insert(saved.end(), b.begin(), b.end());
    saved.insert(saved.end(), u.begin(), u.end());
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["experts"] = static_cast<int64_t>(w.size());
    ctx->saved_data["hot"] = static_cast<int64_t>(a.size());
    ctx->saved_data["low_apart"] = low_apart;
  }
};

}  // namespace

Tensor expert_linear(const Tensor& x_NI, const Tensor& x_low_NI, std::span<const int64_t> offsets, const std::vector<Tensor>& w,
                     std::span<const LowRank> low_rank) {
  HELLORA_CHECK(offsets.size() == w.size() + 1, "one border more than experts");
  HELLORA_CHECK(low_rank.size() <= w.size(), "more low-rank parts than experts");
  std::vector<Tensor> a, b;
  std::vector<double> scales;
  for (const LowRank& part : low_rank) {
    a.push_back(part.A_RI);
    b.push_back(part.B_OR);
    scales.push_back(part.scale);
  }
  return ExpertLinear::apply(x_NI, x_low_NI.defined() ? std::optional(x_low_NI) : std::nullopt, at::TensorList(w), at::TensorList(a),
                             at::TensorList(b), std::vector<int64_t>(offsets.begin(), offsets.end()), std::move(scales));
}

}  // namespace hellora
