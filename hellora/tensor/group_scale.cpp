#include "hellora/tensor/group_scale.h"

#include "hellora/tensor/held.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kColumns = 256;  // of one task of the gradient of f, which adds up rows in their order

struct Borders {
  std::vector<int64_t> offsets;
  Compute compute;
};

template <class Real, class Body>
void for_rows(const Borders& borders, const Body& body) {
  for (size_t g = 0; g + 1 < borders.offsets.size(); ++g) {
#pragma omp parallel for
    for (int64_t n = borders.offsets[g]; n < borders.offsets[g + 1]; ++n) body(static_cast<int64_t>(g), n);
  }
}

template <class Real>
Tensor forward_rows(const Tensor& y, const Tensor& z, const Tensor& f, const Borders& borders) {
  Tensor out = y.clone();
  const int64_t columns = y.size(1);
  for_rows<Real>(borders, [&](int64_t g, int64_t n) {
    Real* to = out.data_ptr<Real>() + n * columns;
    const Real *from = z.data_ptr<Real>() + n * columns, *factor = f.data_ptr<Real>() + g * columns;
    for (int64_t i = 0; i < columns; ++i) to[i] += factor[i] * from[i];
  });
  return out;
}

template <class Real>
variable_list backward_rows(const Tensor& dy, const Tensor& z, const Tensor& f, const Borders& borders) {
  const int64_t columns = f.size(1), groups = f.size(0), blocks = (columns + kColumns - 1) / kColumns;
  Tensor dz = at::empty(z.sizes(), z.options()), df = at::zeros({groups, columns}, f.options());
  for_rows<Real>(borders, [&](int64_t g, int64_t n) {
    Real* to = dz.data_ptr<Real>() + n * columns;
    const Real *from = dy.data_ptr<Real>() + n * columns, *factor = f.data_ptr<Real>() + g * columns;
    for (int64_t i = 0; i < columns; ++i) to[i] = factor[i] * from[i];
  });
#pragma omp parallel for schedule(dynamic)
  for (int64_t task = 0; task < groups * blocks; ++task) {
    const int64_t g = task / blocks, first = task % blocks * kColumns, last = std::min(first + kColumns, columns);
    Real* to = df.data_ptr<Real>() + g * columns;
    for (int64_t n = borders.offsets[static_cast<size_t>(g)]; n < borders.offsets[static_cast<size_t>(g) + 1]; ++n) {
      const Real *a = dy.data_ptr<Real>() + n * columns, *b = z.data_ptr<Real>() + n * columns;
      for (int64_t i = first; i < last; ++i) to[i] += a[i] * b[i];
    }
  }
  return {dy, dz, df};
}

class AddScaled : public torch::autograd::Function<AddScaled> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& y_NO, const Tensor& z_NO, const Tensor& f_GO, Borders borders) {
    const Tensor y = y_NO.contiguous(), z = z_NO.contiguous(), f = f_GO.contiguous();
    Tensor out = y.scalar_type() == at::kDouble ? forward_rows<double>(y, z, f, borders) : forward_rows<float>(y, z, f, borders);
    ctx->save_for_backward({borders.compute.keep(z), f});
    hold(ctx, std::move(borders));
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    const auto real = dy.scalar_type();
    const Tensor z = restore(saved[0], real);
    const Borders& borders = held<Borders>(ctx);
    variable_list out =
        real == at::kDouble ? backward_rows<double>(dy, z, saved[1], borders) : backward_rows<float>(dy, z, saved[1], borders);
    out.emplace_back();  // borders
    return out;
  }
};

}  // namespace

Tensor add_scaled(const Tensor& y_NO, const Tensor& z_NO, const Tensor& f_GO, std::span<const int64_t> offsets, const Compute& compute) {
  const auto borders = offsets.first(static_cast<size_t>(f_GO.size(0)) + 1);
  return AddScaled::apply(y_NO, z_NO, f_GO, Borders{{borders.begin(), borders.end()}, compute});
}

}  // namespace hellora
