#include "hellora/data/packing.h"

#include <numeric>

#include "hellora/core/rng.h"
#include "hellora/data/mixing.h"

namespace hellora {
namespace {

std::vector<std::vector<int64_t>> group(const Dataset& dataset, const PackingRule& rule, const std::vector<int64_t>& order) {
  const int64_t most = rule.packing ? static_cast<int64_t>(order.size()) : std::max<int64_t>(1, rule.tokens / rule.max_length);
  std::vector<std::vector<int64_t>> batches;
  int64_t held = 0;
  for (const int64_t i : order) {
    const auto length = static_cast<int64_t>(dataset.examples[static_cast<size_t>(i)].ids.size());
    const bool full =
        !batches.empty() && (static_cast<int64_t>(batches.back().size()) >= most || (rule.packing && held + length > rule.tokens));
    if (batches.empty() || full) {
      batches.emplace_back();
      held = 0;
    }
    batches.back().push_back(i);
    held += length;
  }
  return batches;
}

}  // namespace

PackedBatch pack(const Dataset& dataset, std::span<const int64_t> examples) {
  PackedBatch batch;
  size_t tokens = 0;
  for (const int64_t i : examples) tokens += dataset.examples[static_cast<size_t>(i)].ids.size();
  for (std::vector<int64_t>* part : {&batch.ids, &batch.targets, &batch.positions}) part->reserve(tokens);
  for (const int64_t i : examples) {
    const Example& example = dataset.examples[static_cast<size_t>(i)];
    const auto length = static_cast<int64_t>(example.ids.size());
    batch.documents.push_back({static_cast<int64_t>(batch.ids.size()), length, i});
    batch.ids.insert(batch.ids.end(), example.ids.begin(), example.ids.end());
    batch.targets.insert(batch.targets.end(), example.targets.begin(), example.targets.end());
    batch.positions.resize(batch.ids.size());
    std::iota(batch.positions.end() - length, batch.positions.end(), int64_t{0});
    batch.supervised += example.supervised;
  }
  return batch;
}

void will_need(const Dataset& dataset, std::span<const int64_t> examples) {
  for (const int64_t i : examples) {
    const Example& example = dataset.examples[static_cast<size_t>(i)];
    dataset.rows->will_need({example.ids, example.targets});
  }
}

std::vector<std::vector<int64_t>> epoch_batches(const Dataset& dataset, const PackingRule& rule, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order = mixed_order(dataset, seed, epoch);
  const RngKey key = make_key(seed, hash_text("shuffle"), epoch);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_u64(key, i) % i]);  // Fisher-Yates
  return group(dataset, rule, order);
}

std::vector<std::vector<int64_t>> ordered_batches(const Dataset& dataset, const PackingRule& rule) {
  return group(dataset, rule, file_order(dataset));
}

}  // namespace hellora
