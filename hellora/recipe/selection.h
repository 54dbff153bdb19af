// What people should know about a selection: coverage, how stable it is, and when it buys little.
#pragma once

#include "hellora/adapters/plan.h"
#include "hellora/select/profile.h"

namespace hellora {

struct LayerReport {
  int64_t layer = 0, experts = 0;
  double coverage = 0;  // share of the routed slots that the plan's experts take
  double uniform = 0;   // the same if every expert were as busy: experts / E
  double overlap = 0;   // of the busiest so many experts of the two halves of the data
};

std::vector<LayerReport> report_selection(const Profile& profile, const Plan& plan);

/// The table, with means.
std::string selection_table(const std::vector<LayerReport>& layers);

/// Warnings: flat routing (hot selection buys little), halves that disagree.
std::vector<std::string> selection_warnings(const std::vector<LayerReport>& layers, const std::string& policy);

Json selection_json(const std::vector<LayerReport>& layers);

}  // namespace hellora
