#include "hellora/tensor/matmul.h"

#include "hellora/tensor/parallel.h"

namespace hellora {
namespace {

constexpr int64_t kTile = 128;  // output columns (rows for dw) of one task; fixed, so that borders never move

Tensor widened(const Tensor& w, at::ScalarType dtype) { return w.scalar_type() == dtype ? w : w.to(dtype); }

/// Calls body(begin, length) for each tile of [0, count).
template <class Body>
void for_tiles(int64_t count, const Body& body) {
  parallel_tasks((count + kTile - 1) / kTile, [&](int64_t tile) { body(tile * kTile, std::min(kTile, count - tile * kTile)); });
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x_NI, const Tensor& w_OI) {
    ctx->save_for_backward({w_OI.requires_grad() ? x_NI : Tensor(), w_OI});
    ctx->saved_data["x_grad"] = x_NI.requires_grad();
    return matmul_nt(x_NI, w_OI);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor dy_NO = grads[0].contiguous();
    Tensor dx_NI, dw_OI;
    if (ctx->saved_data["x_grad"].toBool()) dx_NI = matmul_nn(dy_NO, saved[1]);
    if (saved[0].defined()) dw_OI = matmul_tn(dy_NO, saved[0]);
    return {dx_NI, dw_OI};
  }
};

}  // namespace

Tensor matmul_nt(const Tensor& x_NI, const Tensor& w_OI) {
  const Tensor x = x_NI.contiguous();
  Tensor y_NO = at::empty({x.size(0), w_OI.size(0)}, x.options());
  if (x.size(0) == 0) return y_NO;
  for_tiles(w_OI.size(0), [&](int64_t begin, int64_t length) {
    Tensor out = y_NO.narrow(1, begin, length);
    at::mm_out(out, x, widened(w_OI.narrow(0, begin, length), x.scalar_type()).t());
  });
  return y_NO;
}

Tensor matmul_nn(const Tensor& dy_NO, const Tensor& w_OI) {
  const Tensor dy = dy_NO.contiguous();
  Tensor dx_NI = at::empty({dy.size(0), w_OI.size(1)}, dy.options());
  if (dy.size(0) == 0) return dx_NI;
  for_tiles(w_OI.size(1), [&](int64_t begin, int64_t length) {
    Tensor out = dx_NI.narrow(1, begin, length);
    at::mm_out(out, dy, widened(w_OI.narrow(1, begin, length), dy.scalar_type()));
  });
  return dx_NI;
}

Tensor matmul_tn(const Tensor& dy_NO, const Tensor& x_NI) {
  const Tensor dy = dy_NO.contiguous(), x = x_NI.contiguous();
  Tensor dw_OI = at::zeros({dy.size(1), x.size(1)}, x.options());
  if (dy.size(0) == 0) return dw_OI;
  for_tiles(dy.size(1), [&](int64_t begin, int64_t length) {
    Tensor out = dw_OI.narrow(0, begin, length);
    at::mm_out(out, dy.narrow(1, begin, length).t(), x);
  });
  return dw_OI;
}

Tensor tiled_linear(const Tensor& x_NI, const Tensor& w_OI) { return LinearFunction::apply(x_NI, w_OI); }

}  // namespace hellora
