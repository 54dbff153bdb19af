#include "hellora/eval/perplexity.h"

namespace hellora {

LossSum evaluate_dataset(const Decoder& decoder, const Dataset& data, const PackingRule& rule, std::span<Observer* const> observers,
                         const BeforeBatch& before_batch) {
  const at::NoGradGuard no_grad;
  LossSum total;
  Forward forward;
  forward.observers.assign(observers.begin(), observers.end());
  for (const std::vector<int64_t>& examples : ordered_batches(data, rule)) {
    const PackedBatch packed = pack(data, examples);
    if (before_batch && !before_batch(packed)) break;
    const Supervised rows = supervised_rows(packed.targets);
    forward.needed_N = rows.row_N.size(0) < static_cast<int64_t>(packed.ids.size()) ? rows.row_N : Tensor();
    const LossSum loss = evaluate_loss(decoder, decoder.hidden(to_batch(packed), forward), rows, forward.context);
    total.sum += loss.sum;
    total.count += loss.count;
  }
  return total;
}

}  // namespace hellora
