#include "hellora/eval/perplexity.h"

#include <cmath>

#include "hellora/core/finite.h"
#include "hellora/eval/finite_routing.h"

namespace hellora {
namespace {

LossSum loss_of(const Decoder& decoder, const PackedBatch& packed, const Forward& given) {
  Forward forward = given;
  const Supervised rows = supervised_rows(packed.targets);
  forward.needed_N = rows.row_N.size(0) < static_cast<int64_t>(packed.ids.size()) ? rows.row_N : Tensor();
  return evaluate_loss(decoder, decoder.hidden(to_batch(packed), forward), rows, forward.context);
}

/// The batch's loss; one that is not finite is looked for record by record, to say where.
LossSum finite_loss(const Decoder& decoder, const Dataset& data, const std::vector<int64_t>& examples, const LossSum& loss) {
  if (std::isfinite(loss.sum)) return loss;
  for (const int64_t one : examples) {
    const int64_t record = data.examples[static_cast<size_t>(one)].record;
    const std::vector<int64_t> alone = {one};
    finite(loss_of(decoder, pack(data, alone), {}).sum, "the loss of record " + std::to_string(record + 1) + " of the data");
  }
  finite(loss.sum, "the loss of a batch of " + std::to_string(examples.size()) + " rows");
  return loss;
}

}  // namespace

LossSum evaluate_dataset(const Decoder& decoder, const Dataset& data, const PackingRule& rule, std::span<Observer* const> observers,
                         const BeforeBatch& before_batch, const AfterBatch& after_batch) {
  const at::NoGradGuard no_grad;
  LossSum total;
  FiniteRouting finite_routing;
  Forward forward;
  forward.observers.assign(observers.begin(), observers.end());
  forward.observers.push_back(&finite_routing);
  const std::vector<std::vector<int64_t>> batches = ordered_batches(data, rule);
  int64_t done = 0;
  for (const std::vector<int64_t>& examples : batches) {
    const PackedBatch packed = pack(data, examples);
    if (before_batch && !before_batch(packed)) break;
    const LossSum loss = finite_loss(decoder, data, examples, loss_of(decoder, packed, forward));
    total.sum += loss.sum;
    total.count += loss.count;
    if (after_batch) after_batch(++done, static_cast<int64_t>(batches.size()), total);
  }
  return total;
}

}  // namespace hellora
