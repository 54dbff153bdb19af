#include "hellora/model/recompute.h"

#include "hellora/tensor/held.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class Recompute : public torch::autograd::Function<Recompute> {
 public:
  /// `anchor` requires a gradient, so that the pass is recorded even where x does not: parameters inside may.
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& /*anchor*/, Recomputable run) {
    variable_list out = run(x);  // no history: autograd is off inside a function
    ctx->save_for_backward({x});
    ctx->set_materialize_grads(false);
    ctx->saved_data["x_grad"] = x.requires_grad();
    hold(ctx, std::move(run));
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::AutoGradMode with_history(true);
    const Tensor x = ctx->get_saved_variables()[0].detach().requires_grad_(ctx->saved_data["x_grad"].toBool());
    const std::vector<Tensor> again = held<Recomputable>(ctx)(x);
    variable_list out, out_grads;
    for (size_t i = 0; i < again.size(); ++i) {
      if (!again[i].requires_grad() || !grads[i].defined()) continue;
      out.push_back(again[i]);
      out_grads.push_back(grads[i]);
    }
    if (!out.empty()) torch::autograd::backward(out, out_grads);
    return {x.grad(), Tensor(), Tensor()};
  }
};

}  // namespace

std::vector<Tensor> recomputed(const Tensor& x, Recomputable run) {
  return Recompute::apply(x, at::empty({0}, x.options()).requires_grad_(true), std::move(run));
}

}  // namespace hellora
