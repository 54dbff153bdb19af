// What helps to decide how many experts to adapt: coverage, stability and cost over k.
#pragma once

#include <optional>

#include "hellora/adapters/plan.h"
#include "hellora/core/json.h"
#include "hellora/model/shape.h"
#include "hellora/recipe/run_config.h"
#include "hellora/select/profile.h"

namespace hellora {

struct KRow {
  int64_t k = 0;       // experts per layer; 0: a policy that takes another number in each layer
  double experts = 0;  // per layer, the mean
  std::string marks;   // "suggested: a quarter", …
  Plan plan;
  double coverage = 0, lowest = 0;  // share of the routed slots: mean over the layers, and of the layer with the least
  double gain = 0;                  // coverage that one more expert per layer adds, from the row before
  double overlap = 0;               // of the busiest k of both halves of the data, the mean
};

/// Rows for 4, 8, 12, 16, a quarter, half and all experts, and for what the settings themselves choose, ascending.
std::vector<KRow> decide_rows(const Profile& profile, const SelectConfig& config, int64_t auto_k, uint64_t seed);

/// The table with a curve of bars. Halves of which one is empty are not compared.
std::string decide_table(const Profile& profile, const std::vector<KRow>& rows);

/// Trainable parameters, bytes of the adapter file and forecast memory of a run, for each row.
struct KCost {
  int64_t trainable = 0, adapter_bytes = 0, memory = 0;
};
std::vector<KCost> decide_costs(const RunConfig& config, const ModelShape& shape, const std::vector<KRow>& rows);
std::string cost_table(const std::vector<KRow>& rows, const std::vector<KCost>& costs);

/// [{k, experts, coverage, lowest, gain, overlap, marks, …}]; overlap is null where it cannot be told, costs may be empty.
Json decide_json(const Profile& profile, const std::vector<KRow>& rows, const std::vector<KCost>& costs);

}  // namespace hellora
