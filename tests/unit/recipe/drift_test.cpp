// When training moves the routing away from the plan, a person is told.
#include "hellora/recipe/drift.h"

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

Json report_of(std::vector<std::pair<double, double>> coverage, double still_hot) {
  Json layers = Json::array();
  double before = 0, after = 0;
  for (const auto& [start, end] : coverage) {
    layers.push_back({{"layer", layers.size() + 1}, {"coverage_start", start}, {"coverage_end", end}});
    before += start / static_cast<double>(coverage.size());
    after += end / static_cast<double>(coverage.size());
  }
  return {{"coverage_start", before}, {"coverage_end", after}, {"hot_start", 0.9}, {"still_hot", still_hot}, {"layers", layers}};
}

TEST(DriftWarning, CoverageOfALayerFellByMoreThanAFifth) {
  EXPECT_EQ(coverage_warning(report_of({{0.6, 0.49}, {0.5, 0.7}}, 1)), "");  // by 18 %
  EXPECT_EQ(coverage_warning(report_of({{0, 0}, {0.5, 0.5}}, 1)), "");       // a layer without planned experts
  const std::string said = coverage_warning(report_of({{0.6, 0.47}, {0.6, 0.3}, {0.5, 0.5}}, 1));
  EXPECT_CONTAINS(said, "in 2 of 3 layers");
  EXPECT_CONTAINS(said, "most in layer 2 (60.0 % to 30.0 %; mean of all layers 56.7 % to 42.3 %)");
}

TEST(DriftWarning, AFifthFewerOfThePlannedExpertsAreHot) {
  EXPECT_EQ(hot_set_warning(report_of({{0.5, 0.5}}, 0.71)), "");
  EXPECT_CONTAINS(hot_set_warning(report_of({{0.5, 0.5}}, 0.65)),
                  "65.0 % of the planned experts are among the busiest of their layer, 90.0 % were");
  EXPECT_EQ(hot_set_warning(report_of({}, 0)), "");  // a dense model
}

}  // namespace
}  // namespace hellora::testing
