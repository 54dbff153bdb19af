// Selection policies: every row of the table on profiles of many kinds. What a policy must choose is told by its kind: k per layer
// unless the table below says otherwise.
#include <algorithm>
#include <map>
#include <set>

#include "tests/conformance/select/profiles.h"
#include "tests/support/tables.h"

namespace hellora::testing {
namespace {

using Layers = std::vector<std::vector<int64_t>>;

/// What decides how many experts a layer gets, where it is not k.
enum class Number : uint8_t { k_per_layer, whole_layer, until_covered, budget_over_layers };
const std::map<std::string_view, Number> kNumbers = {
    {"all", Number::whole_layer}, {"coverage", Number::until_covered}, {"global-hot", Number::budget_over_layers}};
Number number_of(const Policy& policy) { return kNumbers.contains(policy.name) ? kNumbers.at(policy.name) : Number::k_per_layer; }

class PolicyRow : public ::testing::TestWithParam<TableRow<Policy>> {
 protected:
  static SelectConfig config() {
    SelectConfig config;
    config.policy = GetParam().name();
    config.min_k = 0;
    return config;
  }
  static Layers choose(const Profile& profile, int64_t k, uint64_t seed = 1, const SelectConfig& given = config()) {
    return GetParam()->choose(profile, given, k, seed);
  }
  static Number number() { return number_of(*GetParam()); }
};

TEST_P(PolicyRow, ChoosesDistinctAscendingExpertsOfEveryLayer) {
  for (const Profile& profile : profiles()) {
    for (int64_t k = 1; k <= profile.experts; ++k) {
      const Layers chosen = choose(profile, k);
      ASSERT_EQ(chosen.size(), profile.layers.size());
      for (const auto& layer : chosen) {
        EXPECT_EQ(std::adjacent_find(layer.begin(), layer.end(), std::greater_equal<>()), layer.end());
        EXPECT_TRUE(layer.empty() || (layer.front() >= 0 && layer.back() < profile.experts));
      }
      EXPECT_EQ(choose(profile, k), chosen) << "not deterministic";
    }
  }
}

/// As few as reach the share, of the busiest.
void expect_covers(const LayerProfile& layer, const std::vector<int64_t>& chosen, double wanted) {
  const bool routed = layer.tokens > 0;
  EXPECT_GE(coverage_of(layer, chosen), routed ? wanted : 0);
  if (!routed || chosen.empty()) return;
  int64_t least = layer.counts[static_cast<size_t>(chosen[0])], sum = 0;
  for (const int64_t e : chosen) {
    least = std::min(least, layer.counts[static_cast<size_t>(e)]);
    sum += layer.counts[static_cast<size_t>(e)];
  }
  EXPECT_LT(static_cast<double>(sum - least) / static_cast<double>(layer.tokens), wanted) << "one less would have been enough";
}

/// The number of experts that a layer must get; the coverage policy finds its own.
size_t wanted_number(Number number, const Profile& profile, int64_t k) {
  return static_cast<size_t>(number == Number::whole_layer ? profile.experts : k);
}

TEST_P(PolicyRow, ChoosesAsManyAsItShould) {
  for (const Profile& profile : profiles()) {
    for (int64_t k = 1; k <= profile.experts; ++k) {
      SelectConfig covering = config();
      covering.coverage = static_cast<double>(k) / static_cast<double>(profile.experts);
      const Layers chosen = choose(profile, k, 1, covering);
      size_t total = 0;
      for (size_t l = 0; l < chosen.size(); ++l) {
        total += chosen[l].size();
        if (number() == Number::until_covered) {
          expect_covers(profile.layers[l], chosen[l], covering.coverage);
        } else if (number() != Number::budget_over_layers) {
          EXPECT_EQ(chosen[l].size(), wanted_number(number(), profile, k));
        }
      }
      if (number() == Number::budget_over_layers) {
        EXPECT_EQ(total, static_cast<size_t>(k) * profile.layers.size());
      }
    }
  }
}

TEST_P(PolicyRow, WithRoomForEveryExpertTakesThemAll) {
  SelectConfig whole = config();
  whole.coverage = 1;
  for (const Profile& profile : profiles()) {
    if (number() == Number::until_covered) continue;  // experts without a slot add nothing
    EXPECT_EQ(choose(profile, profile.experts, 1, whole), find_policy("all").choose(profile, whole, 1, 1));
  }
}

TEST_P(PolicyRow, KeepsItsLimitsPerLayer) {
  if (number() == Number::k_per_layer || number() == Number::whole_layer) return;  // k alone decides
  for (const Profile& profile : profiles()) {
    SelectConfig limited = config();
    limited.min_k = 2;
    limited.max_k = 3;
    for (const double coverage : {0.0, 0.5, 1.0}) {
      limited.coverage = coverage;
      for (const auto& layer : choose(profile, 2, 1, limited)) {
        EXPECT_GE(static_cast<int64_t>(layer.size()), std::min<int64_t>(2, profile.experts));
        EXPECT_LE(static_cast<int64_t>(layer.size()), 3);
      }
    }
  }
}

TEST_P(PolicyRow, TiesGoToTheLowerId) {
  Profile even = random_profile(3, 8, 0, 1);
  for (LayerProfile& layer : even.layers) {
    layer.counts.assign(8, 5);
    layer.mass.assign(8, 1.25);
    layer.tokens = 40;
  }
  const Layers chosen = choose(even, 3);
  if (choose(even, 3, 2) != chosen) return;  // drawn, not ranked
  for (const auto& layer : chosen) {
    for (size_t i = 0; i < layer.size(); ++i) EXPECT_EQ(layer[i], static_cast<int64_t>(i));
  }
}

/// No expert that was left out ranks above one that was taken; the seed plays no part.
TEST_P(PolicyRow, TakesTheBestByItsOwnMeasure) {
  using Measure = double (*)(const LayerProfile&, size_t);
  const Measure count = [](const LayerProfile& layer, size_t e) { return static_cast<double>(layer.counts[e]); };
  const std::map<std::string_view, Measure> measures = {
      {"hot", count},
      {"coverage", count},
      {"global-hot", count},
      {"cold", [](const LayerProfile& layer, size_t e) { return -static_cast<double>(layer.counts[e]); }},
      {"mass", [](const LayerProfile& layer, size_t e) { return layer.mass[e]; }}};
  if (!measures.contains(GetParam()->name)) return;
  const Measure measure = measures.at(GetParam()->name);
  for (const Profile& profile : profiles()) {
    const Layers chosen = choose(profile, std::min<int64_t>(3, profile.experts));
    EXPECT_EQ(choose(profile, std::min<int64_t>(3, profile.experts), 77), chosen);
    for (size_t l = 0; l < chosen.size(); ++l) {
      const std::set<int64_t> taken(chosen[l].begin(), chosen[l].end());
      for (int64_t out = 0; out < profile.experts; ++out) {
        if (taken.contains(out)) continue;
        for (const int64_t in : taken) {
          const double left = measure(profile.layers[l], static_cast<size_t>(out)),
                       kept = measure(profile.layers[l], static_cast<size_t>(in));
          EXPECT_TRUE(kept > left || (kept == left && in < out)) << "layer " << l << ": " << in << " before " << out;
        }
      }
    }
  }
}

TEST_P(PolicyRow, MakesAPlanThatReadsBack) {
  const Profile profile = random_profile(3, 8, 50, 4);
  EXPECT_EQ(&find_policy(GetParam().name()), &*GetParam());
  EXPECT_FALSE(GetParam()->summary.empty());
  SelectConfig given = config();
  given.k = "50%";
  const Plan plan = select_experts(profile, given, 2, 1);
  EXPECT_EQ(plan.policy, GetParam().name());
  const Layers chosen = choose(profile, 4);
  for (size_t l = 0; l < chosen.size(); ++l) {
    std::vector<int64_t> planned;
    for (const HotExpert& hot : plan.experts(static_cast<int64_t>(l))) planned.push_back(hot.expert);
    EXPECT_EQ(planned, chosen[l]);
    EXPECT_DOUBLE_EQ(plan.layers[l].coverage, coverage_of(profile.layers[l], chosen[l]));
  }
  EXPECT_EQ(plan_to_json(plan_from_json(plan_to_json(plan), "test")).dump(), plan_to_json(plan).dump());
}

INSTANTIATE_TEST_SUITE_P(Table, PolicyRow, ::testing::ValuesIn(table_rows(policies())), row_name<Policy>);

TEST(PolicyTable, HasDistinctNames) {
  std::set<std::string_view> names;
  for (const Policy& policy : policies()) EXPECT_TRUE(names.insert(policy.name).second) << policy.name;
}

}  // namespace
}  // namespace hellora::testing
