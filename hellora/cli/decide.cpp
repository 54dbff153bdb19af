#include "hellora/cli/decide.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "hellora/core/text.h"
#include "hellora/model/count.h"
#include "hellora/recipe/memory_plan.h"
#include "hellora/recipe/selection.h"
#include "hellora/recipe/table.h"
#include "hellora/select/policy.h"

namespace hellora {
namespace {

constexpr int64_t kBar = 20;

KRow row_of(const Profile& profile, Plan plan) {
  KRow row;
  row.plan = std::move(plan);
  const std::vector<LayerReport> layers = report_selection(profile, row.plan);
  const auto count = static_cast<double>(layers.size());
  row.lowest = 1;
  std::set<int64_t> different;
  for (const LayerReport& layer : layers) {
    row.experts += static_cast<double>(layer.experts) / count;
    row.coverage += layer.coverage / count;
    row.overlap += layer.overlap / count;
    row.lowest = std::min(row.lowest, layer.coverage);
    different.insert(layer.experts);
  }
  row.k = different.size() == 1 ? *different.begin() : 0;
  return row;
}

bool halves_tell(const Profile& profile) {
  const auto empty = [](const std::vector<int64_t>& counts) {
    return std::all_of(counts.begin(), counts.end(), [](int64_t c) { return c == 0; });
  };
  return !empty(profile.layers.at(0).counts_half[0]) && !empty(profile.layers.at(0).counts_half[1]);
}

std::string number_of(const KRow& row) { return row.k > 0 ? std::to_string(row.k) : fixed(row.experts, 1); }

std::string bar(double share) {
  const auto full = static_cast<size_t>(std::lround(share * static_cast<double>(kBar)));
  return std::string(full, '#') + std::string(static_cast<size_t>(kBar) - full, '.');
}

void mark(KRow& row, const std::string& text) { row.marks += (row.marks.empty() ? "" : ", ") + text; }

}  // namespace

std::vector<KRow> decide_rows(const Profile& profile, const SelectConfig& config, int64_t auto_k, uint64_t seed) {
  const int64_t all = profile.experts, quarter = (all + 3) / 4, half = (all + 1) / 2;
  SelectConfig each = config;
  each.rank_by = "uniform";
  const bool counted = config.policy != "coverage" && config.policy != "all";  // how many is the user's to say
  if (!counted || config.policy == "global-hot") each.policy = "hot";
  std::vector<KRow> rows;
  for (const int64_t k : std::set<int64_t>{4, 8, 12, 16, quarter, half, all}) {
    if (k > all) continue;
    each.k = std::to_string(k);
    rows.push_back(row_of(profile, select_experts(profile, each, auto_k, seed)));
    if (k == quarter) mark(rows.back(), "a quarter: suggested");
    if (k == all) mark(rows.back(), "all");
  }
  SelectConfig own = config;
  own.rank_by = "uniform";
  KRow chosen = row_of(profile, select_experts(profile, own, auto_k, seed));
  const std::string name = own.policy + (counted ? ", k " + own.k : "");
  const auto same = std::find_if(rows.begin(), rows.end(),
                                 [&](const KRow& row) { return plan_to_json(row.plan)["layers"] == plan_to_json(chosen.plan)["layers"]; });
  if (same != rows.end()) {
    mark(*same, name);
  } else {
    mark(chosen, name);
    rows.push_back(std::move(chosen));
    std::stable_sort(rows.begin(), rows.end(), [](const KRow& a, const KRow& b) { return a.experts < b.experts; });
  }
  double coverage = 0, experts = 0;
  for (KRow& row : rows) {
    row.gain = row.experts > experts ? (row.coverage - coverage) / (row.experts - experts) : 0;
    coverage = row.coverage;
    experts = row.experts;
  }
  return rows;
}

std::string decide_table(const Profile& profile, const std::vector<KRow>& rows) {
  const bool halves = halves_tell(profile);
  std::vector<std::vector<std::string>> cells = {{"k", "coverage", "lowest", "per expert", "halves agree", "curve", ""}};
  for (const KRow& row : rows) {
    cells.push_back({number_of(row), percent(row.coverage), percent(row.lowest), percent(row.gain, 2), halves ? percent(row.overlap) : "-",
                     bar(row.coverage), row.marks});
  }
  return format_table(cells);
}

std::vector<KCost> decide_costs(const RunConfig& config, const ModelShape& shape, const std::vector<KRow>& rows) {
  std::vector<KCost> costs;
  for (const KRow& row : rows) {
    KCost cost;
    cost.trainable = count_trainable(shape, config.adapter, row.plan);
    cost.adapter_bytes = cost.trainable * 4;  // adapters are written as fp32
    cost.memory = forecast_plan(config, shape, row.plan).total();
    costs.push_back(cost);
  }
  return costs;
}

std::string cost_table(const std::vector<KRow>& rows, const std::vector<KCost>& costs) {
  std::vector<std::vector<std::string>> cells = {{"k", "trainable", "of all experts'", "adapter file", "memory of a run", ""}};
  for (size_t i = 0; i < rows.size(); ++i) {
    const double share = static_cast<double>(costs[i].trainable) / static_cast<double>(costs.back().trainable);
    cells.push_back({number_of(rows[i]), with_commas(costs[i].trainable), percent(share),
                     human_bytes(static_cast<double>(costs[i].adapter_bytes)), human_bytes(static_cast<double>(costs[i].memory)),
                     rows[i].marks});
  }
  return format_table(cells);
}

Json decide_json(const Profile& profile, const std::vector<KRow>& rows, const std::vector<KCost>& costs) {
  Json out = Json::array();
  for (size_t i = 0; i < rows.size(); ++i) {
    const KRow& row = rows[i];
    Json one{{"k", row.k > 0 ? Json(row.k) : Json()},
             {"experts", row.experts},
             {"coverage", row.coverage},
             {"lowest", row.lowest},
             {"gain", row.gain},
             {"split_half_overlap", halves_tell(profile) ? Json(row.overlap) : Json()},
             {"marks", row.marks}};
    if (!costs.empty()) {
      one["trainable"] = costs[i].trainable;
      one["adapter_bytes"] = costs[i].adapter_bytes;
      one["forecast_rss_bytes"] = costs[i].memory;
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace hellora
