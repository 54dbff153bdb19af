#include "hellora/eval/perplexity.h"

namespace hellora {

LossSum evaluate_dataset(const Decoder& decoder, const Dataset& data, const PackingRule& rule, std::span<Observer* const> observers,
                         const BeforeBatch& before_batch, const AfterBatch& after_batch) {
  const at::NoGradGuard no_grad;
  LossSum total;
  Forward forward;
  forward.observers.assign(observers.begin(), observers.end());
  const std::vector<std::vector<int64_t>> batches = ordered_batches(data, rule);
  int64_t done = 0;
  for (const std::vector<int64_t>& examples : batches) {
    const PackedBatch packed = pack(data, examples);
    if (before_batch && !before_batch(packed)) break;
    const Supervised rows = supervised_rows(packed.targets);
    forward.needed_N = rows.row_N.size(0) < static_cast<int64_t>(packed.ids.size()) ? rows.row_N : Tensor();
    const LossSum loss = evaluate_loss(decoder, decoder.hidden(to_batch(packed), forward), rows, forward.context);
    total.sum += loss.sum;
    total.count += loss.count;
    if (after_batch) after_batch(++done, static_cast<int64_t>(batches.size()), total);
  }
  return total;
}

}  // namespace hellora
