// The table for deciding k: its rows by hand, the marks, the gain, and what cannot be told.
#include "hellora/cli/decide.h"

#include "tests/unit/select/small_profile.h"

namespace hellora::testing {
namespace {

TEST(Decide, RowsHoldCoverageGainAndOverlap) {
  const auto rows = decide_rows(small_profile(), selecting("hot"), 2, 0);  // six experts: 2 is a quarter and auto, 3 a half
  ASSERT_EQ(rows.size(), 4U);
  const std::vector<int64_t> ks = {2, 3, 4, 6};
  for (size_t i = 0; i < ks.size(); ++i) EXPECT_EQ(rows[i].k, ks[i]);
  EXPECT_EQ(rows[0].marks, "a quarter: suggested, hot, k auto");
  EXPECT_EQ(rows[3].marks, "all");
  EXPECT_DOUBLE_EQ(rows[0].coverage, (18.0 + 20.0) / 60);
  EXPECT_DOUBLE_EQ(rows[0].lowest, 18.0 / 30);
  EXPECT_DOUBLE_EQ(rows[0].gain, (18.0 + 20.0) / 60 / 2);
  EXPECT_DOUBLE_EQ(rows[0].overlap, 0.75);
  EXPECT_DOUBLE_EQ(rows[1].coverage, (24.0 + 24.0) / 60);
  EXPECT_DOUBLE_EQ(rows[1].gain, 10.0 / 60);
  EXPECT_DOUBLE_EQ(rows[3].coverage, 1);
}

TEST(Decide, TheOwnRowStandsInItsPlace) {
  SelectConfig config = selecting("coverage");
  config.coverage = 0.61;
  const auto rows = decide_rows(small_profile(), config, 2, 0);
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[1].k, 0);
  EXPECT_DOUBLE_EQ(rows[1].experts, 2.5);
  EXPECT_EQ(rows[1].marks, "coverage");
  EXPECT_EQ(decide_rows(small_profile(), selecting("hot", "5"), 2, 0)[3].marks, "hot, k 5");
  EXPECT_EQ(decide_rows(small_profile(), selecting("cold", "2"), 2, 0)[0].marks, "a quarter: suggested, cold, k 2");
  EXPECT_EQ(decide_rows(small_profile(), selecting("all"), 2, 0)[3].marks, "all, all");
}

TEST(Decide, TheTableIsNarrowAndDrawn) {
  const Profile profile = small_profile();
  const std::string table = decide_table(profile, decide_rows(profile, selecting("hot"), 2, 0));
  EXPECT_CONTAINS(table, "63.3 %");
  EXPECT_CONTAINS(table, "#############.......");
  EXPECT_CONTAINS(table, "75.0 %");
  size_t begin = 0;
  for (size_t end = table.find('\n'); end != std::string::npos; begin = end + 1, end = table.find('\n', begin))
    EXPECT_LE(end - begin, 103U);
}

TEST(Decide, AnEmptyHalfIsNotCompared) {
  Profile profile = small_profile();
  for (LayerProfile& layer : profile.layers) {
    layer.counts_half[0] = layer.counts;
    layer.counts_half[1].assign(6, 0);
  }
  const auto rows = decide_rows(profile, selecting("hot"), 2, 0);
  EXPECT_TRUE(decide_json(profile, rows, {})[0]["split_half_overlap"].is_null());
  EXPECT_EQ(decide_json(small_profile(), rows, {})[0]["split_half_overlap"].is_null(), false);
}

}  // namespace
}  // namespace hellora::testing
