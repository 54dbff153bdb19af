#include "hellora/eval/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hellora/core/error.h"
#include "hellora/core/finite.h"
#include "hellora/core/rng.h"

namespace hellora {
namespace {

int64_t arg_max(std::span<const float> values) { return std::max_element(values.begin(), values.end()) - values.begin(); }

int64_t sample(std::span<const float> logits, const GenerateConfig& config, double draw) {
  std::vector<int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)]; });
  const double top = logits[static_cast<size_t>(order[0])];
  std::vector<double> weight;
  double total = 0;
  for (const int64_t id : order) {
    weight.push_back(std::exp((logits[static_cast<size_t>(id)] - top) / config.temperature));
    total += weight.back();
  }
  double kept = 0;
  size_t count = 0;
  while (count < weight.size() && (count == 0 || kept < config.top_p * total)) kept += weight[count++];
  double left = draw * kept;
  for (size_t i = 0; i < count; ++i) {
    left -= weight[i];
    if (left < 0) return order[i];
  }
  return order[count - 1];
}

/// What is still being generated.
struct Row {
  size_t index;
  std::vector<int64_t> feed;  // ids of the next pass
  int64_t past = 0;
};

Batch batch_of(std::span<const Row> rows) {
  std::vector<std::vector<int64_t>> documents;
  std::vector<int64_t> past;
  for (const Row& row : rows) {
    documents.push_back(row.feed);
    past.push_back(row.past);
  }
  Batch batch = make_batch(documents, past);
  for (size_t i = 0; i < rows.size(); ++i) batch.segments[i].sequence = static_cast<int64_t>(rows[i].index);
  return batch;
}

}  // namespace

int64_t pick_token(const Tensor& logits_V, const GenerateConfig& config, size_t row, int64_t position) {
  const Tensor logits = logits_V.to(at::kFloat).contiguous();
  const std::span<const float> values(logits.const_data_ptr<float>(), static_cast<size_t>(logits.numel()));
  const auto bad = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (bad != values.end()) {
    finite(*bad, "generate: prompt " + std::to_string(row + 1) + ", position " + std::to_string(position) + ": the logit of id " +
                     std::to_string(bad - values.begin()));
  }
  if (config.temperature <= 0) return arg_max(values);
  const auto bits = philox(make_key(config.seed, hash_text("generate"), row), {static_cast<uint32_t>(position), 0, 0, 0});
  return sample(values, config, unit_float(bits[0]));
}

std::vector<std::vector<int64_t>> generate(const Decoder& decoder, std::span<const std::vector<int64_t>> prompts,
                                           const GenerateConfig& config, const OnToken& on_token) {
  const at::NoGradGuard no_grad;
  const ModelShape& shape = decoder.shape();
  KvCache cache(shape.layers, static_cast<int64_t>(prompts.size()));
  std::vector<std::vector<int64_t>> out(prompts.size());
  std::vector<Row> rows;
  for (size_t p = 0; p < prompts.size(); ++p) {
    const auto length = static_cast<int64_t>(prompts[p].size());
    if (length == 0) throw DataError("generate: the prompt is empty");
    if (length >= shape.max_positions) {
      throw DataError("generate: the prompt has " + std::to_string(length) + " tokens; the model has " +
                      std::to_string(shape.max_positions) + " positions");
    }
    rows.push_back({p, prompts[p], 0});
  }
  Forward forward;
  forward.cache = &cache;
  for (int64_t made = 0; made < config.max_new_tokens && !rows.empty() && !(config.stop && config.stop()); ++made) {
    const Batch batch = batch_of(rows);
    const Tensor h_TD = decoder.hidden(batch, forward);
    std::vector<int64_t> last;
    for (const Segment& segment : batch.segments) last.push_back(segment.start + segment.length - 1);
    const Tensor logits_NV = decoder.logits(h_TD.index_select(0, at::tensor(last, at::TensorOptions(at::kLong))), forward.context);
    std::vector<Row> open;
    for (size_t r = 0; r < rows.size(); ++r) {
      Row& row = rows[r];
      row.past += static_cast<int64_t>(row.feed.size());
      const int64_t id = pick_token(logits_NV[static_cast<int64_t>(r)], config, row.index, row.past);
      if (std::find(config.stop_ids.begin(), config.stop_ids.end(), id) != config.stop_ids.end()) continue;
      out[row.index].push_back(id);
      if (on_token) on_token(row.index, id);
      if (row.past >= shape.max_positions) continue;
      row.feed = {id};
      open.push_back(std::move(row));
    }
    rows = std::move(open);
  }
  return out;
}

}  // namespace hellora
