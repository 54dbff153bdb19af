// One training step of tests: documents with targets, loss and gradients as the trainer computes them.
#pragma once

#include <memory>
#include <vector>

#include "hellora/model/loss.h"
#include "hellora/moe/balance.h"

namespace hellora::testing {

/// Keeps the routing of every layer.
class RoutingKeeper : public Observer {
 public:
  void on_route(int64_t layer, const Routing& routing) override {
    numbers.push_back(layer);
    layers.push_back(routing);
  }
  std::vector<int64_t> numbers;  // of the decoder layers
  std::vector<Routing> layers;
};

struct TrainBatch {
  Batch batch;
  std::vector<int64_t> targets_T;
};

/// Packs documents; every token after the first `prompt` ones is predicted.
inline TrainBatch train_batch(const std::vector<std::vector<int64_t>>& documents, size_t prompt = 1) {
  TrainBatch out{make_batch(documents), {}};
  for (const auto& ids : documents) {
    for (size_t p = 1; p <= ids.size(); ++p) out.targets_T.push_back(p < ids.size() && p >= prompt ? ids[p] : kIgnore);
  }
  return out;
}

/// Mean loss of a batch without gradients.
inline double mean_loss(const Decoder& decoder, const TrainBatch& data) {
  const at::NoGradGuard no_grad;
  const LossSum loss = evaluate_loss(decoder, decoder.hidden(data.batch, {}), supervised_rows(data.targets_T), {});
  return loss.sum / static_cast<double>(loss.count);
}

/// Mean loss; the gradients of mean loss + aux_factor * balance loss are added to those of the bound adapters.
inline double backward_step(const Decoder& decoder, const TrainBatch& data, double aux_factor = 0, const StepContext& context = {}) {
  RoutingKeeper routing;
  Forward forward;
  forward.context = context;
  forward.observers = {&routing};
  const Supervised rows = supervised_rows(data.targets_T);
  const auto count = static_cast<double>(rows.row_N.size(0));
  const Tensor h_TD = decoder.hidden(data.batch, forward);
  Tensor dh_TD;
  const LossSum loss = backward_loss(decoder, h_TD, rows, 1 / count, context, &dh_TD);
  std::vector<Tensor> outputs, factors;
  if (h_TD.requires_grad()) {
    outputs.push_back(h_TD);
    factors.push_back(dh_TD);
  }
  if (aux_factor != 0) {
    std::vector<SequenceRows> sequences;
    for (const Segment& segment : data.batch.segments) sequences.push_back({segment.start, segment.length});
    outputs.push_back(balance_loss(decoder.shape().router.balance, routing.layers, sequences));
    factors.push_back(at::full_like(outputs.back(), aux_factor));
  }
  if (!outputs.empty()) torch::autograd::backward(outputs, factors);
  return loss.sum / count;
}

/// Logits of every row, without gradients.
inline Tensor all_logits(const Decoder& decoder, const Batch& batch) {
  const at::NoGradGuard no_grad;
  return decoder.logits(decoder.hidden(batch, {}), {});
}

}  // namespace hellora::testing
