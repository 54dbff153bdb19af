#include "hellora/recipe/run_facts.h"

#include <algorithm>

#include "hellora/kernels/row.h"
#include "hellora/recipe/progress.h"
#include "hellora/recipe/table.h"

namespace hellora {
namespace {

constexpr size_t kListedLayers = 8;

/// Experts per layer: a number where all layers have as many.
Json experts_per_layer(const Plan& plan) {
  int64_t least = INT64_MAX, most = 0;
  for (const LayerPlan& layer : plan.layers) {
    least = std::min(least, static_cast<int64_t>(layer.experts.size()));
    most = std::max(most, static_cast<int64_t>(layer.experts.size()));
  }
  if (plan.layers.empty()) return 0;
  return least == most ? Json(most) : Json{{"least", least}, {"most", most}};
}

}  // namespace

void add_facts(Json& summary, const RunConfig& config, const Plan& plan, const RunForecast& forecast, const TimeSpent& time) {
  summary["version"] = HELLORA_VERSION;
  summary["kernel"] = std::string(kernels::active_row().name);
  summary["threads"] = at::get_num_threads();
  summary["compute"] = {{"weights", config.compute.weights}, {"matmul", config.compute.matmul}, {"saved", config.compute.saved}};
  summary["k"] = experts_per_layer(plan);
  summary["coverage_layers"] = Json::array();
  for (const LayerPlan& layer : plan.layers) summary["coverage_layers"].push_back(layer.coverage);
  summary["steps_per_epoch"] = forecast.steps_per_epoch;
  summary["forecast_seconds"] = {forecast.time.low, forecast.time.high};
  summary["wall_seconds"] = time.total();
  summary["seconds"] = time.json();
}

std::vector<std::vector<std::string>> coverage_rows(const Plan& plan) {
  const std::string label = "coverage per layer (profile)";
  std::vector<double> values;
  std::string list;
  double mean = 0;
  for (const LayerPlan& layer : plan.layers) {
    values.push_back(layer.coverage);
    mean += layer.coverage / static_cast<double>(plan.layers.size());
    list += (list.empty() ? "" : ", ") + percent(layer.coverage);
  }
  if (values.size() <= kListedLayers) return {{label, list}};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const auto layer_of = [&](auto it) {
    return " (layer " + std::to_string(plan.layers[static_cast<size_t>(it - values.begin())].layer) + ")";
  };
  return {{label, "mean " + percent(mean) + ", " + percent(*low) + layer_of(low) + " to " + percent(*high) + layer_of(high)},
          {"  first to last layer", bars(values)}};
}

std::string spent_text(const Json& seconds) {
  std::vector<std::pair<std::string, double>> parts;
  for (const auto& [what, value] : seconds.items()) {
    if (what != "total" && value.get<double>() >= 0.5) parts.emplace_back(what, value.get<double>());
  }
  std::stable_sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text = duration_text(seconds["total"].get<double>());
  for (size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? ": " : ", ") + parts[i].first + " " + duration_text(parts[i].second);
  return text;
}

}  // namespace hellora
