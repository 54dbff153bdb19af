// Policies against choices made by hand.
#include <algorithm>
#include <set>

#include "tests/unit/select/small_profile.h"

namespace hellora::testing {
namespace {

using Layers = std::vector<Ids>;

TEST(Policy, HotTakesTheMostChosenAndTiesTheLowerId) {
  EXPECT_EQ(chosen(selecting("hot", "1")), (Layers{{1}, {0}}));
  EXPECT_EQ(chosen(selecting("hot", "3")), (Layers{{1, 2, 5}, {0, 3, 4}}));
  EXPECT_EQ(chosen(selecting("hot", "4")), (Layers{{0, 1, 2, 5}, {0, 1, 3, 4}}));  // 1, 2 and 5 of layer 1 are equal
}

TEST(Policy, ColdTakesTheLeastChosenAndTiesTheLowerId) {
  EXPECT_EQ(chosen(selecting("cold", "1")), (Layers{{4}, {1}}));
  EXPECT_EQ(chosen(selecting("cold", "2")), (Layers{{3, 4}, {1, 2}}));
}

TEST(Policy, MassRanksByRoutingWeight) {
  EXPECT_EQ(chosen(selecting("mass", "2")), (Layers{{0, 5}, {2, 4}}));
  EXPECT_EQ(chosen(selecting("mass", "3")), (Layers{{0, 2, 5}, {0, 2, 4}}));  // four of layer 1 are equal
}

TEST(Policy, AllTakesEveryExpertWhateverK) {
  for (const char* k : {"auto", "1", "50%"}) EXPECT_EQ(chosen(selecting("all", k)), (Layers{{0, 1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5}}));
}

TEST(Policy, RandomDependsOnSeedAndLayerOnly) {
  Profile other = small_profile();
  std::reverse(other.layers[0].counts.begin(), other.layers[0].counts.end());
  std::vector<int> taken(6);
  std::set<Layers> different;
  for (uint64_t seed = 0; seed < 600; ++seed) {
    const Layers layers = chosen(selecting("random", "2"), seed);
    EXPECT_EQ(layers, chosen(selecting("random", "2"), seed, other));
    for (const Ids& experts : layers) {
      ASSERT_EQ(experts.size(), 2U);
      EXPECT_LT(experts[0], experts[1]);
      for (const int64_t e : experts) ++taken[static_cast<size_t>(e)];
    }
    different.insert(layers);
  }
  for (const int count : taken) EXPECT_NEAR(count, 400, 85);  // 1200 draws of 2 in 6; five standard deviations
  EXPECT_GT(different.size(), 150U);                          // of 225 pairs of pairs: layers do not share their draw
}

SelectConfig covering(double coverage, int64_t min_k = 1, int64_t max_k = 0) {
  SelectConfig config = selecting("coverage");
  config.coverage = coverage;
  config.min_k = min_k;
  config.max_k = max_k;
  return config;
}

TEST(Policy, CoverageTakesAsFewAsReachTheShare) {
  EXPECT_EQ(chosen(covering(0.3)), (Layers{{1}, {0}}));  // 9/30 is exactly enough
  EXPECT_EQ(chosen(covering(0.5)), (Layers{{1, 2}, {0, 3}}));
  EXPECT_EQ(chosen(covering(0.6)), (Layers{{1, 2}, {0, 3}}));  // 18/30 is exactly enough
  EXPECT_EQ(chosen(covering(0.61)), (Layers{{1, 2, 5}, {0, 3}}));
  EXPECT_EQ(chosen(covering(1)), (Layers{{0, 1, 2, 3, 5}, {0, 1, 2, 3, 4, 5}}));  // the never chosen expert adds nothing
}

TEST(Policy, CoverageKeepsItsLimits) {
  EXPECT_EQ(chosen(covering(0)), (Layers{{1}, {0}}));
  EXPECT_EQ(chosen(covering(0, 0)), (Layers{{}, {}}));
  EXPECT_EQ(chosen(covering(0.1, 3)), (Layers{{1, 2, 5}, {0, 3, 4}}));
  EXPECT_EQ(chosen(covering(1, 1, 2)), (Layers{{1, 2}, {0, 3}}));
  EXPECT_EQ(chosen(covering(1, 4, 2)), (Layers{{1, 2}, {0, 3}}));  // the most wins over the fewest
}

SelectConfig global(const std::string& k, int64_t min_k = 1, int64_t max_k = 0) {
  SelectConfig config = selecting("global-hot", k);
  config.min_k = min_k;
  config.max_k = max_k;
  return config;
}

TEST(Policy, GlobalHotSpendsLayersTimesKOverAllLayers) {
  EXPECT_EQ(chosen(global("1", 0)), (Layers{{}, {0, 3}}));  // 10 and 10 beat 9
  EXPECT_EQ(chosen(global("1")), (Layers{{1}, {0}}));       // one each is the fewest
  EXPECT_EQ(chosen(global("2")), (Layers{{1, 2}, {0, 3}}));
  EXPECT_EQ(chosen(global("3")), (Layers{{0, 1, 2, 5}, {0, 3}}));  // 6 and 5 of layer 0 beat 4 of layer 1
  EXPECT_EQ(chosen(global("3", 1, 3)), (Layers{{1, 2, 5}, {0, 3, 4}}));
  EXPECT_EQ(chosen(global("3", 1, 2)), (Layers{{1, 2}, {0, 3}}));  // the budget cannot be spent
  Profile even = small_profile();
  even.layers[1].counts = even.layers[0].counts;
  EXPECT_EQ(chosen(global("3"), 0, even), (Layers{{1, 2, 5}, {1, 2, 5}}));
}

TEST(Policy, KIsANumberAShareOrAuto) {
  EXPECT_EQ(resolve_k("auto", 7, 64), 7);
  EXPECT_EQ(resolve_k("12", 7, 64), 12);
  EXPECT_EQ(resolve_k("64", 7, 64), 64);
  EXPECT_EQ(resolve_k("25%", 7, 64), 16);
  EXPECT_EQ(resolve_k("100%", 7, 64), 64);
  EXPECT_EQ(resolve_k("1%", 7, 64), 1);     // rounded up
  EXPECT_EQ(resolve_k("12.5%", 7, 60), 8);  // 7.5 rounded up
  EXPECT_EQ(resolve_k("70%", 7, 10), 7);    // exactly 7, whatever 0.7 is in binary
  for (const char* bad : {"0", "65", "-1", "0%", "101%", "-5%", "nan%", "%", "", "many", "2.5", "99999999999999999999"}) {
    EXPECT_CONTAINS(error_of<ConfigError>([&] { resolve_k(bad, 7, 64); }), "select.k");
  }
}

TEST(Policy, UnknownNamesGetTheNearest) {
  EXPECT_CONTAINS(error_of<ConfigError>([] { find_policy("global_hot"); }), "nearest: global-hot");
  EXPECT_CONTAINS(error_of<ConfigError>([] { find_policy("zzzzzz"); }), "known: hot, cold, random, mass, coverage, global-hot, all");
}

TEST(Policy, PlansCarryTheirOrigin) {
  const Plan plan = select_experts(small_profile(), selecting("hot", "3"), 2, 9, 4);
  EXPECT_EQ(plan.policy, "hot");
  EXPECT_EQ(plan.arguments["k"], 3);
  EXPECT_EQ(plan.arguments["seed"], 9);
  EXPECT_EQ(plan.model_hash, "0123456789abcdef");
  EXPECT_EQ(plan.profile_hash, profile_hash(small_profile()));
  EXPECT_DOUBLE_EQ(plan.layers[0].coverage, 24.0 / 30);
  EXPECT_DOUBLE_EQ(plan.layers[1].coverage, 24.0 / 30);
  for (const LayerPlan& layer : plan.layers) {
    for (const HotExpert& hot : layer.experts) EXPECT_EQ(hot.rank, 4);
  }
  const Plan again = plan_from_json(plan_to_json(plan), "test");
  EXPECT_EQ(plan_to_json(again).dump(), plan_to_json(plan).dump());
}

TEST(SplitHalf, IsTheShareThatBothHalvesAgreeOn) {
  const Profile profile = small_profile();
  EXPECT_DOUBLE_EQ(split_half_overlap(profile.layers[0], 1), 0);        // {0} and {1}
  EXPECT_DOUBLE_EQ(split_half_overlap(profile.layers[0], 2), 0.5);      // {0,2} and {1,2}
  EXPECT_DOUBLE_EQ(split_half_overlap(profile.layers[1], 2), 1);        // {0,3} twice
  EXPECT_DOUBLE_EQ(split_half_overlap(profile.layers[1], 3), 2.0 / 3);  // {0,1,3} and {0,2,3}
  EXPECT_DOUBLE_EQ(split_half_overlap(profile.layers[1], 6), 1);
}

}  // namespace
}  // namespace hellora::testing
