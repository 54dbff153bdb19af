#include "hellora/model/recompute.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// A holder, since autograd's saved data takes only its own kinds of values.
struct Holder : torch::CustomClassHolder {
  Recomputable run;
};

class Recompute : public torch::autograd::Function<Recompute> {
 public:
  /// `anchor` requires a gradient, so that the pass is recorded even where x does not: parameters inside may.
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& /*anchor*/, Recomputable run) {
    variable_list out = run(x);  // no history: autograd is off inside a function
    ctx->save_for_backward({x});
    ctx->set_materialize_grads(false);
    ctx->saved_data["x_grad"] = x.requires_grad();
    auto holder = c10::make_intrusive<Holder>();
    holder->run = std::move(run);
    ctx->saved_data["run"] = c10::IValue::make_capsule(std::move(holder));
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::AutoGradMode with_history(true);
    const auto capsule = ctx->saved_data["run"].toCapsule();
    const Tensor x = ctx->get_saved_variables()[0].detach().requires_grad_(ctx->saved_data["x_grad"].toBool());
    const std::vector<Tensor> again = static_cast<const Holder&>(*capsule).run(x);
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
