#include "hellora/tensor/experts.h"

#include "hellora/core/error.h"
#include "hellora/tensor/expert_pass.h"
#include "hellora/tensor/held.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class Real>
ExpertPass<Real> make_pass(const ExpertCall& call, at::TensorList list, at::ScalarType real) {
  size_t at = 0;
  GroupedParams gate = take_params(call.gate, list, at), up = take_params(call.up, list, at), down = take_params(call.down, list, at);
  return ExpertPass<Real>(call, std::move(gate), std::move(up), std::move(down), real);
}

class ExpertMlp : public torch::autograd::Function<ExpertMlp> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x_TD, const Tensor& w_TK, at::TensorList params, ExpertCall call, bool grad) {
    return x_TD.scalar_type() == at::kDouble ? run<double>(ctx, x_TD.contiguous(), w_TK.contiguous(), params, std::move(call), grad)
                                             : run<float>(ctx, x_TD.contiguous(), w_TK.contiguous(), params, std::move(call), grad);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Tensor dout = grads[0].contiguous();
    return dout.scalar_type() == at::kDouble ? back<double>(ctx, dout) : back<float>(ctx, dout);
  }

 private:
  template <class Real>
  static Tensor run(AutogradContext* ctx, const Tensor& x, const Tensor& w, at::TensorList params, ExpertCall call, bool grad) {
    auto pass = make_pass<Real>(call, params, x.scalar_type());
    typename ExpertPass<Real>::Kept kept;
    const int64_t f = call.gate.frozen.empty() ? call.gate.own[0].size(0) : call.gate.frozen[0].n;
    Tensor out = pass.forward(x, w, f, &kept);
    if (!grad) return out;
    const Compute& compute = call.compute;
    variable_list saved = {compute.keep(x), w, compute.keep(kept.gate_NF), compute.keep(kept.up_NF), kept.u_gate, kept.u_up, kept.u_down};
    saved.insert(saved.end(), params.begin(), params.end());
    ctx->save_for_backward(std::move(saved));
    hold(ctx, std::move(call));
    return out;
  }

  template <class Real>
  static variable_list back(AutogradContext* ctx, const Tensor& dout) {
    const auto saved = ctx->get_saved_variables();
    const ExpertCall& call = held<ExpertCall>(ctx);
    const auto real = dout.scalar_type();
    constexpr size_t kOwn = 7;
    auto pass = make_pass<Real>(call, at::TensorList(saved).slice(kOwn), real);
    const typename ExpertPass<Real>::Kept kept = {restore(saved[2], real), restore(saved[3], real), saved[4], saved[5], saved[6]};
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
  HELLORA_CHECK(!call.gate.gate_NR.defined() && !call.up.gate_NR.defined() && !call.down.gate_NR.defined(), "no gates per row");
  std::vector<Tensor> params;
  append_params(call.gate, params);
  append_params(call.up, params);
  append_params(call.down, params);
  bool grad = x_TD.requires_grad() || weights_TK.requires_grad();
  for (const Tensor& one : params) grad = grad || one.requires_grad();
  return ExpertMlp::apply(x_TD, weights_TK, at::TensorList(params), std::move(call), grad && at::GradMode::is_enabled());
}

}  // namespace hellora
