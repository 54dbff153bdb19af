#include "hellora/model/loss.h"

#include "hellora/core/error.h"
#include "hellora/tensor/ordered_sum.h"

namespace hellora {
namespace {

constexpr int64_t kChunk = 256;  // rows of logits alive at a time; fixed, so that sums keep their order

Tensor row_losses(const Tensor& logits_NV, const Tensor& target_N) {
  return at::log_softmax(logits_NV, 1).gather(1, target_N.unsqueeze(1)).squeeze(1).neg();
}

template <class Body>
void for_chunks(int64_t rows, const Body& body) {
  for (int64_t begin = 0; begin < rows; begin += kChunk) body(begin, std::min(kChunk, rows - begin));
}

}  // namespace

Supervised supervised_rows(std::span<const int64_t> targets_T) {
  std::vector<int64_t> rows, targets;
  for (size_t t = 0; t < targets_T.size(); ++t) {
    if (targets_T[t] == kNoTarget) continue;
    rows.push_back(static_cast<int64_t>(t));
    targets.push_back(targets_T[t]);
  }
  const at::TensorOptions options(at::kLong);
  return {at::tensor(rows, options), at::tensor(targets, options)};
}

LossSum evaluate_loss(const Decoder& decoder, const Tensor& h_TD, const Supervised& rows, const StepContext& context) {
  const at::NoGradGuard no_grad;
  LossSum total{0, rows.row_N.size(0)};
  for_chunks(total.count, [&](int64_t begin, int64_t length) {
    const Tensor row_N = rows.row_N.narrow(0, begin, length);
    const Tensor logits_NV = decoder.logits(h_TD.index_select(0, row_N), context, row_N);
    total.sum += ordered_sum(row_losses(logits_NV, rows.target_N.narrow(0, begin, length)));
  });
  return total;
}

LossSum backward_loss(const Decoder& decoder, const Tensor& h_TD, const Supervised& rows, double scale, const StepContext& context,
                      Tensor* dh_TD) {
  LossSum total{0, rows.row_N.size(0)};
  const Tensor plain_TD = h_TD.detach();
  *dh_TD = at::zeros_like(plain_TD);
  for_chunks(total.count, [&](int64_t begin, int64_t length) {
    const Tensor row_N = rows.row_N.narrow(0, begin, length);
    Tensor h_ND = plain_TD.index_select(0, row_N);
    h_ND.requires_grad_(true);
    const Tensor loss_N = row_losses(decoder.logits(h_ND, context, row_N), rows.target_N.narrow(0, begin, length));
    total.sum += ordered_sum(loss_N.detach());
    torch::autograd::backward({loss_N}, {at::full_like(loss_N, scale)});
    dh_TD->index_copy_(0, row_N, h_ND.grad());
  });
  return total;
}

}  // namespace hellora
