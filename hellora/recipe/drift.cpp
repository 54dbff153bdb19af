#include "hellora/recipe/drift.h"

#include "hellora/recipe/table.h"
#include "hellora/select/policy.h"
#include "hellora/train/expert_load.h"
#include "hellora/train/signals.h"

namespace hellora {
namespace {

constexpr double kFifth = 0.2;  // a fall beyond this is said
constexpr const char* kAdvice =
    "what is trained is used less and less; a plan from a warm-up (select.mode=warmup), a larger select.k or a lower train.lr may help";

Dataset head(const Dataset& data) {
  Dataset out = data;
  int64_t tokens = 0;
  size_t rows = 0;
  while (rows < data.examples.size() && tokens < HotDrift::kProbeTokens) tokens += static_cast<int64_t>(data.examples[rows++].ids.size());
  out.examples.resize(rows);
  return out;
}

Json layer_drift(const LayerProfile& before, const LayerProfile& after, const std::vector<int64_t>& planned) {
  return Json{{"layer", before.layer},
              {"coverage_start", coverage_of(before, planned)},
              {"coverage_end", coverage_of(after, planned)},
              {"hot_start", busiest_share(before.counts, planned)},
              {"still_hot", busiest_share(after.counts, planned)}};
}

double mean_of(const Json& layers, const char* key) {
  double sum = 0;
  for (const Json& layer : layers) sum += layer[key].get<double>();
  return layers.empty() ? 0 : sum / static_cast<double>(layers.size());
}

std::string change(const Json& of) {
  return percent(of["coverage_start"].get<double>()) + " to " + percent(of["coverage_end"].get<double>());
}

RouteCounter fresh_counter(const ModelShape& shape) { return {routed_layers(shape), shape.experts, false}; }

}  // namespace

HotDrift::HotDrift(const ModelShape& shape, const Plan& plan, const Dataset& data, bool whole)
    : shape_(shape), plan_(plan), data_(whole ? data : head(data)), counters_{fresh_counter(shape), fresh_counter(shape)} {}

LossSum HotDrift::measure(const Decoder& decoder, const PackingRule& rule, When when, const AfterBatch& after_batch) {
  RouteCounter& counter = counters_[when];
  counter = fresh_counter(shape_);
  Observer* observers[] = {&counter};
  const auto begin = [&](const PackedBatch& batch) {
    counter.begin(batch, data_);
    return !interrupt_requested();
  };
  return evaluate_dataset(decoder, data_, rule, observers, begin, after_batch);
}

Json HotDrift::report() const {
  Json layers = Json::array();
  for (size_t l = 0; l < counters_[start].layers.size(); ++l) {
    std::vector<int64_t> planned;
    for (const HotExpert& hot : plan_.experts(counters_[start].layers[l].layer)) planned.push_back(hot.expert);
    layers.push_back(layer_drift(counters_[start].layers[l], counters_[now].layers[l], planned));
  }
  Json out;
  for (const char* key : {"coverage_start", "coverage_end", "hot_start", "still_hot"}) out[key] = mean_of(layers, key);
  out["layers"] = std::move(layers);
  return out;
}

bool HotDrift::names_some_experts() const {
  return std::any_of(plan_.layers.begin(), plan_.layers.end(), [&](const LayerPlan& layer) {
    return !layer.experts.empty() && static_cast<int64_t>(layer.experts.size()) < shape_.experts;
  });
}

std::vector<std::string> HotDrift::warnings() {
  std::vector<std::string> out;
  if (!names_some_experts()) return out;
  const Json now_report = report();
  const auto say = [&](bool& said, std::string line) {
    if (said || line.empty()) return;
    said = true;
    out.push_back(std::move(line));
  };
  say(said_coverage_, coverage_warning(now_report));
  say(said_set_, hot_set_warning(now_report));
  return out;
}

std::string coverage_warning(const Json& report) {
  const Json* worst = nullptr;
  int64_t fallen = 0;
  double most = kFifth;
  for (const Json& layer : report["layers"]) {
    const double before = layer["coverage_start"].get<double>(), after = layer["coverage_end"].get<double>();
    if (before <= 0) continue;
    const double fall = (before - after) / before;
    if (fall <= kFifth) continue;
    ++fallen;
    if (worst != nullptr && fall <= most) continue;
    most = fall;
    worst = &layer;
  }
  if (worst == nullptr) return "";
  return "the planned experts take less than they did: in " + std::to_string(fallen) + " of " + std::to_string(report["layers"].size()) +
         " layers their coverage fell by more than a fifth since the start, most in layer " +
         std::to_string((*worst)["layer"].get<int64_t>()) + " (" + change(*worst) + "; mean of all layers " + change(report) + "); " +
         kAdvice;
}

std::string hot_set_warning(const Json& report) {
  const double before = report["hot_start"].get<double>(), after = report["still_hot"].get<double>();
  if (report["layers"].empty() || before - after <= kFifth) return "";
  return "the hot experts changed: " + percent(after) + " of the planned experts are among the busiest of their layer, " + percent(before) +
         " were at the start; " + kAdvice;
}

}  // namespace hellora
