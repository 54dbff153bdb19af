// What `select` says about a plan: coverage against an even share, halves that disagree, and the warnings that follow.
#include "hellora/recipe/selection.h"

#include "tests/unit/select/small_profile.h"

namespace hellora::testing {
namespace {

std::vector<std::string> warnings_of(const Profile& profile, const std::string& policy, const std::string& k) {
  const Plan plan = select_experts(profile, selecting(policy, k), 2, 1);
  return selection_warnings(report_selection(profile, plan), policy);
}

/// Every expert is chosen five times; the halves agree.
Profile flat_profile() {
  Profile profile = small_profile();
  for (LayerProfile& layer : profile.layers) {
    layer.counts.assign(6, 5);
    layer.counts_half[0].assign(6, 2);
    layer.counts_half[1].assign(6, 3);
  }
  return profile;
}

TEST(SelectionReport, HoldsCoverageEvenShareAndOverlap) {
  const Profile profile = small_profile();
  const auto report = report_selection(profile, select_experts(profile, selecting("hot", "2"), 2, 1));
  ASSERT_EQ(report.size(), 2U);
  EXPECT_EQ(report[0].experts, 2);
  EXPECT_DOUBLE_EQ(report[0].coverage, 18.0 / 30);
  EXPECT_DOUBLE_EQ(report[0].uniform, 2.0 / 6);
  EXPECT_DOUBLE_EQ(report[0].overlap, 0.5);
  EXPECT_DOUBLE_EQ(report[1].coverage, 20.0 / 30);
  EXPECT_DOUBLE_EQ(report[1].overlap, 1);
  const std::string table = selection_table(report);
  EXPECT_CONTAINS(table, "60.0 %");
  EXPECT_CONTAINS(table, "63.3 %");  // the mean
  EXPECT_EQ(selection_json(report)[1]["coverage"], 20.0 / 30);
}

TEST(SelectionWarning, FlatRoutingAndHalvesThatDisagree) {
  EXPECT_TRUE(warnings_of(small_profile(), "hot", "2").empty());
  const auto flat = warnings_of(flat_profile(), "hot", "2");
  ASSERT_EQ(flat.size(), 1U);
  EXPECT_CONTAINS(flat[0], "nearly flat: the chosen experts take 33.3 %");
  Profile noisy = small_profile();
  noisy.layers[0].counts_half[0] = {0, 0, 0, 1, 0, 6};
  noisy.layers[1].counts_half[0] = {0, 0, 0, 1, 0, 6};
  const auto halves = warnings_of(noisy, "hot", "2");
  ASSERT_EQ(halves.size(), 1U);
  EXPECT_CONTAINS(halves[0], "halves of the data agree on only");
}

TEST(SelectionWarning, OnlyForPoliciesThatLookForHotExperts) {
  for (const char* policy : {"cold", "random", "all"}) EXPECT_TRUE(warnings_of(flat_profile(), policy, "2").empty()) << policy;
  EXPECT_TRUE(warnings_of(flat_profile(), "hot", "6").empty());  // every expert is no selection
}

}  // namespace
}  // namespace hellora::testing
