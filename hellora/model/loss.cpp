#include "hellora/model/loss.h"

#include "hellora/core/error.h"
#include "hellora/kernels/ordered_sum.h"
#include "hellora/kernels/row.h"

namespace hellora {
namespace {

constexpr int64_t kChunk = 512;  // rows of logits alive at a time; fixed, so that sums keep their order

/// Loss of every row; the logits become scale · (softmax − onehot), the gradient of scale · Σ loss.
template <class Real>
double softmax_losses(Tensor& logits_NV, const Tensor& target_N, double scale) {
  const int64_t rows = logits_NV.size(0), vocab = logits_NV.size(1);
  std::vector<double> losses(static_cast<size_t>(rows));
  Real* data = logits_NV.data_ptr<Real>();
  const int64_t* target = target_N.const_data_ptr<int64_t>();
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    losses[static_cast<size_t>(r)] = kernels::primitives<Real>().softmax_loss(data + r * vocab, vocab, target[r], static_cast<Real>(scale));
  }
  return kernels::ordered_sum(std::span<const double>(losses));
}

double losses_in_place(Tensor& logits_NV, const Tensor& target_N, double scale) {
  return logits_NV.scalar_type() == at::kDouble ? softmax_losses<double>(logits_NV, target_N, scale)
                                                : softmax_losses<float>(logits_NV, target_N, scale);
}

/// Rows [begin, begin + length) of the supervised ones; h holds all rows of the batch or only these.
Tensor chunk_rows(const Tensor& h, const Supervised& rows, int64_t begin, int64_t length) {
  if (h.size(0) == rows.row_N.size(0)) return h.narrow(0, begin, length);
  return h.index_select(0, rows.row_N.narrow(0, begin, length));
}

template <class Body>
void for_chunks(int64_t rows, const Body& body) {
  for (int64_t begin = 0; begin < rows; begin += kChunk) body(begin, std::min(kChunk, rows - begin));
}

}  // namespace

Supervised supervised_rows(std::span<const int64_t> targets_T) {
  std::vector<int64_t> rows, targets;
  for (size_t t = 0; t < targets_T.size(); ++t) {
    if (targets_T[t] == kIgnore) continue;
    rows.push_back(static_cast<int64_t>(t));
    targets.push_back(targets_T[t]);
  }
  const at::TensorOptions options(at::kLong);
  return {at::tensor(rows, options), at::tensor(targets, options)};
}

LossSum evaluate_loss(const Decoder& decoder, const Tensor& h, const Supervised& rows, const StepContext& context) {
  const at::NoGradGuard no_grad;
  LossSum total{0, rows.row_N.size(0)};
  for_chunks(total.count, [&](int64_t begin, int64_t length) {
    Tensor logits_NV = decoder.logits(chunk_rows(h, rows, begin, length), context, rows.row_N.narrow(0, begin, length));
    total.sum += losses_in_place(logits_NV, rows.target_N.narrow(0, begin, length), 1.0);
  });
  return total;
}

LossSum backward_loss(const Decoder& decoder, const Tensor& h, const Supervised& rows, double scale, const StepContext& context,
                      Tensor* dh) {
  LossSum total{0, rows.row_N.size(0)};
  const Tensor plain = h.detach();
  *dh = at::zeros_like(plain);
  for_chunks(total.count, [&](int64_t begin, int64_t length) {
    Tensor h_ND = chunk_rows(plain, rows, begin, length).clone();
    h_ND.requires_grad_(true);
    const Tensor logits_NV = decoder.logits(h_ND, context, rows.row_N.narrow(0, begin, length));
    Tensor dlogits_NV = logits_NV.detach();  // the same memory: the head keeps its input, not its output
    total.sum += losses_in_place(dlogits_NV, rows.target_N.narrow(0, begin, length), scale);
    torch::autograd::backward({logits_NV}, {dlogits_NV});
    if (h.size(0) == total.count) {
      dh->narrow(0, begin, length).copy_(h_ND.grad());
    } else {
      dh->index_copy_(0, rows.row_N.narrow(0, begin, length), h_ND.grad());
    }
  });
  return total;
}

}  // namespace hellora
