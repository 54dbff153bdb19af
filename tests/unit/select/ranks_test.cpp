// Ranks by heat: shares by hand, exact sums, at least 1 each, and the plan that carries them.
#include "hellora/select/ranks.h"

#include <numeric>

#include "hellora/core/rng.h"
#include "hellora/model/count.h"
#include "hellora/model/sites.h"
#include "tests/unit/select/small_profile.h"

namespace hellora::testing {
namespace {

TEST(ShareRanks, InProportionToTheLoad) {
  EXPECT_EQ(share_ranks(Ids{3, 1}, 4), (Ids{6, 2}));
  EXPECT_EQ(share_ranks(Ids{1, 1, 1}, 5), (Ids{5, 5, 5}));
  EXPECT_EQ(share_ranks(Ids{2, 1}, 4), (Ids{5, 3}));  // 5.33 and 2.67
  EXPECT_EQ(share_ranks(Ids{1, 1, 1, 1}, 1), (Ids{1, 1, 1, 1}));
  EXPECT_EQ(share_ranks(Ids{7}, 9), (Ids{9}));
  EXPECT_EQ(share_ranks(Ids{}, 9), Ids{});
}

TEST(ShareRanks, NobodyGetsLessThanOne) {
  EXPECT_EQ(share_ranks(Ids{100, 1}, 4), (Ids{7, 1}));
  EXPECT_EQ(share_ranks(Ids{100, 0, 0}, 2), (Ids{4, 1, 1}));
  EXPECT_EQ(share_ranks(Ids{60, 36, 4, 0}, 4), (Ids{9, 5, 1, 1}));  // 16 - 2 of them shared as 60 : 36
  EXPECT_EQ(share_ranks(Ids{0, 0}, 3), (Ids{3, 3}));
}

TEST(ShareRanks, EqualRemaindersGoToTheEarlierExpert) {
  EXPECT_EQ(share_ranks(Ids{5, 5, 2}, 1), (Ids{1, 1, 1}));
  EXPECT_EQ(share_ranks(Ids{3, 3, 2}, 3), (Ids{4, 3, 2}));  // 3.375, 3.375, 2.25
}

TEST(ShareRanks, TheSumIsExactWhateverTheLoads) {
  const RngKey key = make_key(7, 1, 2);
  for (uint64_t i = 0; i < 400; ++i) {
    const auto count = static_cast<size_t>(1 + unit_double(key, 3 * i) * 20);
    const auto rank = static_cast<int64_t>(1 + unit_double(key, 3 * i + 1) * 40);
    Ids loads;
    for (size_t e = 0; e < count; ++e) {
      const double u = unit_double(key, 100'000 + i * 64 + e);
      loads.push_back(static_cast<int64_t>(u * u * u * u * 1e12));  // uneven, up to 2^40
    }
    const Ids ranks = share_ranks(loads, rank);
    ASSERT_EQ(ranks.size(), count);
    EXPECT_EQ(std::accumulate(ranks.begin(), ranks.end(), int64_t{0}), static_cast<int64_t>(count) * rank);
    for (size_t e = 0; e < count; ++e) {
      EXPECT_GE(ranks[e], 1);
      for (size_t f = 0; f < count; ++f) EXPECT_TRUE(loads[e] <= loads[f] || ranks[e] >= ranks[f]) << "more load, less rank";
    }
  }
}

TEST(ShareRanks, ThePlanCarriesThem) {
  SelectConfig config = selecting("hot", "3");
  config.rank_by = "coverage";
  const Plan plan = select_experts(small_profile(), config, 2, 0, 8);
  EXPECT_EQ(plan.base_rank, 8);
  ASSERT_EQ(plan.layers.size(), 2U);
  const Ids want0 = {9, 9, 6}, want1 = {10, 10, 4};  // 24 shared as 9 : 9 : 6 and as 10 : 10 : 4
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(plan.layers[0].experts[i].rank, want0[i]);
    EXPECT_EQ(plan.layers[1].experts[i].rank, want1[i]);
  }
  EXPECT_CONTAINS(error_of<ConfigError>([&] { select_experts(small_profile(), config, 2, 0); }), "select.rank_by: coverage");
  config.rank_by = "uniform";
  EXPECT_EQ(select_experts(small_profile(), config, 2, 0, 8).base_rank, 0);
}

TEST(ShareRanks, EveryExpertHasTheScaleOfTheUniformPlan) {
  ModelShape shape = find_preset("olmoe-1b-7b");
  shape.layers = 1;
  AdapterConfig adapter;
  adapter.rank = 8;
  adapter.alpha = 20;
  adapter.targets = {"q", "gate", "down"};
  Plan plan;
  plan.base_rank = 8;
  plan.layers = {{0, {{3, 1}, {7, 8}, {9, 15}}, 0.5}};
  for (const bool rslora : {false, true}) {
    adapter.method = rslora ? "rslora" : "lora";
    const double wanted = adapter.scale(8);
    for (const Site& site : find_sites(shape, adapter, plan, true)) {
      for (const SiteMember& member : site.members) EXPECT_NEAR(adapter.scale(member.rank, member.alpha), wanted, 1e-12) << member.path;
    }
  }
  EXPECT_EQ(count_trainable(shape, adapter, plan), count_trainable(shape, adapter, first_experts(shape, 3)));
  adapter.rank = 4;
  EXPECT_CONTAINS(error_of<ConfigError>([&] { find_sites(shape, adapter, plan, true); }),
                  "share a budget of 8 per expert but adapter.rank is 4");
  find_sites(shape, adapter, plan, false);
}

TEST(AllLinear, StandsForEveryLinearMapOfTheLayers) {
  const ModelShape shape = find_preset("olmoe-1b-7b");
  AdapterConfig adapter;
  adapter.targets = {"all-linear"};
  EXPECT_EQ(resolve_targets(shape, adapter), (std::vector<std::string>{"o", "q", "k", "v", "router", "gate", "up", "down"}));
  adapter.targets = {"q", "all-linear", "embed"};
  EXPECT_EQ(resolve_targets(shape, adapter).size(), 9U);
}

}  // namespace
}  // namespace hellora::testing
