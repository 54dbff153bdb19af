#include "hellora/recipe/selection.h"

#include "hellora/core/text.h"
#include "hellora/recipe/table.h"
#include "hellora/select/policy.h"

namespace hellora {
namespace {

constexpr double kFlat = 1.3;      // coverage below this multiple of an even share: routing is nearly flat
constexpr double kUnstable = 0.7;  // overlap of the halves below this: the ranking is mostly noise

double mean(const std::vector<LayerReport>& layers, double LayerReport::*value) {
  double sum = 0;
  for (const LayerReport& layer : layers) sum += layer.*value;
  return layers.empty() ? 0 : sum / static_cast<double>(layers.size());
}

}  // namespace

std::vector<LayerReport> report_selection(const Profile& profile, const Plan& plan) {
  std::vector<LayerReport> out;
  for (const LayerProfile& layer : profile.layers) {
    std::vector<int64_t> experts;
    for (const HotExpert& hot : plan.experts(layer.layer)) experts.push_back(hot.expert);
    const auto k = static_cast<int64_t>(experts.size());
    LayerReport report{layer.layer, k, coverage_of(layer, experts), static_cast<double>(k) / static_cast<double>(profile.experts), 1};
    if (k > 0) report.overlap = split_half_overlap(layer, k);
    out.push_back(report);
  }
  return out;
}

std::string selection_table(const std::vector<LayerReport>& layers) {
  std::vector<std::vector<std::string>> rows = {{"layer", "experts", "coverage", "even share", "split-half overlap"}};
  for (const LayerReport& one : layers) {
    rows.push_back(
        {std::to_string(one.layer), std::to_string(one.experts), percent(one.coverage), percent(one.uniform), percent(one.overlap)});
  }
  rows.push_back({"mean", "", percent(mean(layers, &LayerReport::coverage)), percent(mean(layers, &LayerReport::uniform)),
                  percent(mean(layers, &LayerReport::overlap))});
  return format_table(rows);
}

std::vector<std::string> selection_warnings(const std::vector<LayerReport>& layers, const std::string& policy) {
  std::vector<std::string> warnings;
  const double coverage = mean(layers, &LayerReport::coverage), uniform = mean(layers, &LayerReport::uniform);
  const bool picks_hot = policy == "hot" || policy == "mass" || policy == "coverage" || policy == "global-hot";
  if (!picks_hot || uniform >= 0.999) return warnings;
  if (coverage < kFlat * uniform) {
    warnings.push_back("routing is nearly flat: the chosen experts take " + percent(coverage) +
                       " of the routed slots, an even share would be " + percent(uniform) +
                       "; hot selection buys little here (a larger select.k, or adapter on all experts)");
  }
  const double overlap = mean(layers, &LayerReport::overlap);
  if (overlap < kUnstable) {
    warnings.push_back("the two halves of the data agree on only " + percent(overlap) +
                       " of the chosen experts; profile more tokens (select.fraction)");
  }
  return warnings;
}

Json selection_json(const std::vector<LayerReport>& layers) {
  Json rows = Json::array();
  for (const LayerReport& one : layers) {
    rows.push_back({{"layer", one.layer},
                    {"experts", one.experts},
                    {"coverage", one.coverage},
                    {"even_share", one.uniform},
                    {"split_half_overlap", one.overlap}});
  }
  return rows;
}

}  // namespace hellora
