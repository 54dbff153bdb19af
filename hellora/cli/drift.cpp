#include "hellora/cli/drift.h"

#include "hellora/eval/perplexity.h"
#include "hellora/select/policy.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

constexpr int64_t kProbeTokens = 8192;

Dataset head(const Dataset& data) {
  Dataset out = data;
  int64_t tokens = 0;
  size_t rows = 0;
  while (rows < data.examples.size() && tokens < kProbeTokens) tokens += static_cast<int64_t>(data.examples[rows++].ids.size());
  out.examples.resize(rows);
  return out;
}

/// Share of the planned experts that are among the busiest as many.
double still_hot(const LayerProfile& layer, std::span<const int64_t> experts) {
  int64_t inside = 0;
  for (const int64_t e : experts) {
    const int64_t count = layer.counts[static_cast<size_t>(e)];
    const auto busier = std::count_if(layer.counts.begin(), layer.counts.end(), [&](int64_t other) { return other > count; });
    inside += busier < static_cast<int64_t>(experts.size()) ? 1 : 0;
  }
  return experts.empty() ? 1 : static_cast<double>(inside) / static_cast<double>(experts.size());
}

}  // namespace

HotDrift::HotDrift(const ModelShape& shape, const Plan& plan, const Dataset& data, bool whole)
    : plan_(plan),
      data_(whole ? data : head(data)),
      counters_{RouteCounter(routed_layers(shape), shape.experts, false), RouteCounter(routed_layers(shape), shape.experts, false)} {}

LossSum HotDrift::measure(const Decoder& decoder, const PackingRule& rule, When when) {
  RouteCounter& counter = counters_[when];
  Observer* observers[] = {&counter};
  return evaluate_dataset(decoder, data_, rule, observers, [&](const PackedBatch& batch) {
    counter.begin(batch, data_);
    return !interrupt_requested();
  });
}

Json HotDrift::report() const {
  Json layers = Json::array();
  double means[2] = {0, 0};
  for (size_t l = 0; l < counters_[start].layers.size(); ++l) {
    const int64_t number = counters_[start].layers[l].layer;
    std::vector<int64_t> experts;
    for (const HotExpert& hot : plan_.experts(number)) experts.push_back(hot.expert);
    const double before = coverage_of(counters_[start].layers[l], experts), after = coverage_of(counters_[end].layers[l], experts);
    means[start] += before / static_cast<double>(counters_[start].layers.size());
    means[end] += after / static_cast<double>(counters_[start].layers.size());
    layers.push_back({{"layer", number},
                      {"coverage_start", before},
                      {"coverage_end", after},
                      {"still_hot", still_hot(counters_[end].layers[l], experts)}});
  }
  return Json{{"coverage_start", means[start]}, {"coverage_end", means[end]}, {"layers", layers}};
}

}  // namespace hellora
