#include "hellora/tensor/attention.h"

#include <cmath>

#include "hellora/tensor/held.h"

namespace hellora {
namespace {

using kernels::AttentionShape;
using kernels::Heads;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class Real>
Heads<const Real> heads_of(const Tensor& x_TAC) {
  return {x_TAC.const_data_ptr<Real>(), x_TAC.stride(0), x_TAC.stride(1)};
}
template <class Real>
Heads<Real> mutable_heads(Tensor& x_TAC) {
  return {x_TAC.data_ptr<Real>(), x_TAC.stride(0), x_TAC.stride(1)};
}

/// A view that the kernels can read: vectors without gaps.
Tensor readable(const Tensor& x_TAC) { return x_TAC.stride(2) == 1 ? x_TAC : x_TAC.contiguous(); }

struct Call {
  std::vector<RowRange> documents;
  double scale = 1;
  int64_t window = 0;
  Compute compute;

  AttentionShape shape(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGW) const {
    return {q_TAC.size(0), q_TAC.size(1), k_TGC.size(1), q_TAC.size(2), v_TGW.size(2), scale, window};
  }
};

template <class Real>
void run_forward(const Call& call, const Tensor& q, const Tensor& k, const Tensor& v, Tensor& out, Tensor& lse_AT) {
  kernels::attention_forward<Real>(call.compute.math, call.shape(q, k, v), call.documents,
                                   {heads_of<Real>(q), heads_of<Real>(k), heads_of<Real>(v)}, mutable_heads<Real>(out),
                                   lse_AT.data_ptr<Real>());
}

template <class Real>
variable_list run_backward(const Call& call, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, const Tensor& lse_AT,
                           const Tensor& dout) {
  Tensor dq = at::empty_like(q, at::MemoryFormat::Contiguous), dk = at::zeros(k.sizes(), k.options()),
         dv = at::zeros(v.sizes(), v.options());
  kernels::attention_backward<Real>(call.compute.math, call.shape(q, k, v), call.documents,
                                    {heads_of<Real>(q), heads_of<Real>(k), heads_of<Real>(v)}, heads_of<Real>(out), heads_of<Real>(dout),
                                    lse_AT.const_data_ptr<Real>(), mutable_heads<Real>(dq), mutable_heads<Real>(dk),
                                    mutable_heads<Real>(dv));
  return {dq, dk, dv, Tensor()};
}

class Attend : public torch::autograd::Function<Attend> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGW, Call call) {
    const Tensor q = readable(q_TAC), k = readable(k_TGC), v = readable(v_TGW);
    Tensor out = at::zeros({q.size(0), q.size(1), v.size(2)}, q.options()), lse_AT = at::empty({q.size(1), q.size(0)}, q.options());
    if (q.scalar_type() == at::kDouble) {
      run_forward<double>(call, q, k, v, out, lse_AT);
    } else {
      run_forward<float>(call, q, k, v, out, lse_AT);
    }
    const Tensor flat = out.view({q.size(0), -1});
    if (!q_TAC.requires_grad() && !k_TGC.requires_grad() && !v_TGW.requires_grad()) return flat;
    const Compute& compute = call.compute;
    ctx->save_for_backward({compute.keep(q_TAC), compute.keep(k_TGC), compute.keep(v_TGW), compute.keep(flat), lse_AT});
    hold(ctx, std::move(call));
    return flat;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto kept = ctx->get_saved_variables();
    const Call& call = held<Call>(ctx);
    const auto real = grads[0].scalar_type();
    const auto back = [&](size_t i) { return readable(restore(kept[i], real)); };
    const Tensor q = back(0), k = back(1), v = back(2);
    const auto shaped = [&](const Tensor& x) { return x.contiguous().view({q.size(0), q.size(1), -1}); };
    const Tensor out = shaped(restore(kept[3], real)), dout = shaped(grads[0]);
    return real == at::kDouble ? run_backward<double>(call, q, k, v, out, kept[4], dout)
                               : run_backward<float>(call, q, k, v, out, kept[4], dout);
  }
};

}  // namespace

Tensor attend_documents(const Tensor& q_TAC, const Tensor& k_TGC, const Tensor& v_TGW, std::span<const RowRange> documents,
                        const Compute& compute, const AttentionRule& rule) {
  Call call{{documents.begin(), documents.end()},
            rule.scale > 0 ? rule.scale : 1 / std::sqrt(static_cast<double>(q_TAC.size(2))),
            rule.window,
            compute};
  return Attend::apply(q_TAC, k_TGC, v_TGW, std::move(call));
}

}  // namespace hellora
