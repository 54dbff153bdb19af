#include "hellora/tensor/weighted_sum.h"

#include <algorithm>

#include "hellora/tensor/held.h"

namespace hellora {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The sorted rows of each token, (T, K), in the order in which they are added.
std::vector<int64_t> rows_of_tokens(const kernels::ExpertOrder& order, const std::vector<int64_t>& sequence, int64_t k) {
  std::vector<int64_t> place(order.offsets.size()), rows = order.sorted_TK, ordinal_N(order.source_N.size());
  for (size_t i = 0; i < sequence.size(); ++i) place[static_cast<size_t>(sequence[i])] = static_cast<int64_t>(i);
  for (size_t g = 0; g + 1 < order.offsets.size(); ++g) {
    std::fill(ordinal_N.begin() + order.offsets[g], ordinal_N.begin() + order.offsets[g + 1], static_cast<int64_t>(g));
  }
  const auto place_of = [&](int64_t n) { return place[static_cast<size_t>(ordinal_N[static_cast<size_t>(n)])]; };
  for (auto at = rows.begin(); at != rows.end(); at += k)
    std::stable_sort(at, at + k, [&](int64_t a, int64_t b) { return place_of(a) < place_of(b); });
  return rows;
}

struct Places {
  std::vector<int64_t> rows_TK, source_N;
  Compute compute;
};

template <class Real>
Tensor forward_rows(const Tensor& y, const Tensor& w, const Places& places) {
  const int64_t tokens = w.size(0), k = w.size(1), d = y.size(1);
  Tensor out = at::zeros({tokens, d}, y.options());
#pragma omp parallel for
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t i = 0; i < k; ++i) {
      const int64_t n = places.rows_TK[static_cast<size_t>(t * k + i)];
      kernels::primitives<Real>().axpy(w.data_ptr<Real>()[places.source_N[static_cast<size_t>(n)]], y.data_ptr<Real>() + n * d, d,
                                       out.data_ptr<Real>() + t * d);
    }
  }
  return out;
}

template <class Real>
variable_list backward_rows(const Tensor& y, const Tensor& w, const Tensor& dout, const Places& places) {
  const int64_t rows = y.size(0), k = w.size(1), d = y.size(1);
  Tensor dy = at::empty_like(y), dw = at::empty_like(w);
#pragma omp parallel for
  for (int64_t n = 0; n < rows; ++n) {
    const int64_t source = places.source_N[static_cast<size_t>(n)];
    const Real *from = dout.data_ptr<Real>() + source / k * d, *own = y.data_ptr<Real>() + n * d, weight = w.data_ptr<Real>()[source];
    Real *to = dy.data_ptr<Real>() + n * d, sum = 0;
    for (int64_t i = 0; i < d; ++i) {
      to[i] = weight * from[i];
      sum += from[i] * own[i];
    }
    dw.data_ptr<Real>()[source] = sum;
  }
  return {dy, dw};
}

class WeightedSum : public torch::autograd::Function<WeightedSum> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& y_ND, const Tensor& weights_TK, Places places) {
    const Tensor y = y_ND.contiguous(), w = weights_TK.contiguous();
    Tensor out = y.scalar_type() == at::kDouble ? forward_rows<double>(y, w, places) : forward_rows<float>(y, w, places);
    ctx->save_for_backward({places.compute.keep(y), w});
    hold(ctx, std::move(places));
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor dout = grads[0].contiguous();
    const auto real = dout.scalar_type();
    const Tensor y = restore(saved[0], real);
    const Places& places = held<Places>(ctx);
    variable_list out =
        real == at::kDouble ? backward_rows<double>(y, saved[1], dout, places) : backward_rows<float>(y, saved[1], dout, places);
    out.emplace_back();  // places
    return out;
  }
};

}  // namespace

Tensor weighted_sum(const Tensor& y_ND, const Tensor& weights_TK, const kernels::ExpertOrder& order, const std::vector<int64_t>& sequence,
                    const Compute& compute) {
  return WeightedSum::apply(y_ND, weights_TK, Places{rows_of_tokens(order, sequence, weights_TK.size(1)), order.source_N, compute});
}

}  // namespace hellora
