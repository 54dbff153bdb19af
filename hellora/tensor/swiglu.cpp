#include "hellora/tensor/swiglu.h"

#include "hellora/tensor/held.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class Real>
Tensor forward_rows(const Tensor& gate, const Tensor& up) {
  Tensor h = at::empty_like(gate);
  const int64_t rows = gate.size(0), f = gate.size(1);
#pragma omp parallel for
  for (int64_t n = 0; n < rows; ++n)
    kernels::primitives<Real>().swiglu(gate.data_ptr<Real>() + n * f, up.data_ptr<Real>() + n * f, f, h.data_ptr<Real>() + n * f);
  return h;
}

template <class Real>
variable_list backward_rows(const Tensor& gate, const Tensor& up, const Tensor& dh) {
  Tensor dgate = at::empty_like(gate), dup = at::empty_like(up);
  const int64_t rows = gate.size(0), f = gate.size(1);
#pragma omp parallel
  {
    std::vector<Real> h(static_cast<size_t>(f));
#pragma omp for
    for (int64_t n = 0; n < rows; ++n) {
      const int64_t at = n * f;
      kernels::primitives<Real>().swiglu_backward(gate.data_ptr<Real>() + at, up.data_ptr<Real>() + at, dh.data_ptr<Real>() + at, Real{1},
                                                  f, dgate.data_ptr<Real>() + at, dup.data_ptr<Real>() + at, h.data());
    }
  }
  return {dgate, dup};
}

class SwiGlu : public torch::autograd::Function<SwiGlu> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& gate_NF, const Tensor& up_NF, const Compute& compute) {
    const Tensor gate = gate_NF.contiguous(), up = up_NF.contiguous();
    ctx->save_for_backward({compute.keep(gate), compute.keep(up)});
    return gate.scalar_type() == at::kDouble ? forward_rows<double>(gate, up) : forward_rows<float>(gate, up);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor dh = grads[0].contiguous();
    const auto real = dh.scalar_type();
    const Tensor gate = restore(saved[0], real), up = restore(saved[1], real);
    variable_list out = real == at::kDouble ? backward_rows<double>(gate, up, dh) : backward_rows<float>(gate, up, dh);
    out.emplace_back();  // compute
    return out;
  }
};

}  // namespace

Tensor swiglu(const Tensor& gate_NF, const Tensor& up_NF, const Compute& compute) { return SwiGlu::apply(gate_NF, up_NF, compute); }

}  // namespace hellora
