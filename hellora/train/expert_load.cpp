#include "hellora/train/expert_load.h"

#include <algorithm>
#include <numeric>

#include "hellora/core/error.h"

namespace hellora {
namespace {

double share_of(std::span<const int64_t> counts, std::span<const int64_t> experts, int64_t slots) {
  int64_t inside = 0;
  for (const int64_t e : experts) inside += counts[static_cast<size_t>(e)];
  return static_cast<double>(inside) / static_cast<double>(slots);
}

}  // namespace

double busiest_share(std::span<const int64_t> counts, std::span<const int64_t> experts) {
  int64_t inside = 0;
  for (const int64_t e : experts) {
    const auto busier = std::count_if(counts.begin(), counts.end(), [&](int64_t other) { return other > counts[static_cast<size_t>(e)]; });
    inside += busier < static_cast<int64_t>(experts.size()) ? 1 : 0;
  }
  return experts.empty() ? 1 : static_cast<double>(inside) / static_cast<double>(experts.size());
}

ExpertLoad::ExpertLoad(const ModelShape& shape, const Plan& plan) : routed_(routed_layers(shape)) {
  for (const int64_t layer : routed_) {
    std::vector<int64_t> experts;
    for (const HotExpert& hot : plan.experts(layer)) experts.push_back(hot.expert);
    planned_.push_back(std::move(experts));
  }
  counts_LE = at::zeros({static_cast<int64_t>(routed_.size()), shape.experts}, at::TensorOptions(at::kLong));
  step_LE = at::zeros_like(counts_LE);
  tokens_1 = at::zeros({1}, at::TensorOptions(at::kLong));
}

void ExpertLoad::on_route(int64_t layer, const Routing& routing) {
  const auto row = std::find(routed_.begin(), routed_.end(), layer);
  HELLORA_CHECK(row != routed_.end(), "the load was not told about this layer");
  int64_t* counts = step_LE.data_ptr<int64_t>() + (row - routed_.begin()) * step_LE.size(1);
  const int64_t* ids = routing.ids_TK.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < routing.ids_TK.numel(); ++i) ++counts[ids[i]];
}

void ExpertLoad::end_step(int64_t tokens) {
  counts_LE.add_(step_LE);
  step_LE.zero_();
  tokens_1.add_(tokens);
}

Json ExpertLoad::layer_report(size_t row) const {
  const int64_t experts = counts_LE.size(1);
  const std::span<const int64_t> counts(counts_LE.const_data_ptr<int64_t>() + static_cast<int64_t>(row) * experts,
                                        static_cast<size_t>(experts));
  const int64_t slots = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  if (slots == 0) return nullptr;  // the last layer of steps without a supervised row
  const int64_t most = *std::max_element(counts.begin(), counts.end());
  return Json{{"layer", routed_[row]},
              {"coverage", share_of(counts, planned_[row], slots)},
              {"drift", 1 - busiest_share(counts, planned_[row])},
              {"balance", static_cast<double>(most) * static_cast<double>(experts) / static_cast<double>(slots)},
              {"load", std::vector<int64_t>(counts.begin(), counts.end())}};
}

Json ExpertLoad::take() {
  Json layers = Json::array();
  for (size_t row = 0; row < routed_.size(); ++row) {
    Json layer = layer_report(row);
    if (!layer.is_null()) layers.push_back(std::move(layer));
  }
  if (layers.empty()) return nullptr;
  Json out{{"tokens", *tokens_1.const_data_ptr<int64_t>()}};
  for (const char* key : {"coverage", "drift", "balance"}) {
    double sum = 0;
    for (const Json& layer : layers) sum += layer[key].get<double>();
    out[key] = sum / static_cast<double>(layers.size());
  }
  out["layers"] = std::move(layers);
  counts_LE.zero_();
  tokens_1.zero_();
  return out;
}

}  // namespace hellora
