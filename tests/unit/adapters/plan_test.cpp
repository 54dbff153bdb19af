#include "hellora/adapters/plan.h"

#include <gtest/gtest.h>

#include "hellora/core/error.h"
#include "tests/support/helpers.h"

namespace hellora {
namespace {

using namespace testing;

Plan sample() {
  Plan plan;
  plan.policy = "hot";
  plan.arguments = Json{{"k", 2}};
  plan.profile_hash = "aa";
  plan.model_hash = "bb";
  plan.layers = {{0, {{1, 0}, {4, 8}}, 0.5}, {3, {{0, 0}}, 0.25}};
  return plan;
}

TEST(Plan, SurvivesItsFile) {
  const TempFolder folder;
  write_plan(folder / "plan.json", sample());
  const Plan read = read_plan(folder / "plan.json");
  EXPECT_EQ(plan_to_json(read), plan_to_json(sample()));
  ASSERT_EQ(read.experts(0).size(), 2U);
  EXPECT_EQ(read.experts(0)[1].expert, 4);
  EXPECT_EQ(read.experts(0)[1].rank, 8);
  EXPECT_EQ(read.experts(0)[0].rank, 0);
  EXPECT_TRUE(read.experts(1).empty());
  EXPECT_EQ(read.experts(3)[0].expert, 0);
}

TEST(Plan, KeepsTheRankThatItsBudgetIsMadeOf) {
  Plan plan = sample();
  EXPECT_FALSE(plan_to_json(plan).contains("base_rank"));
  plan.base_rank = 8;
  EXPECT_EQ(plan_from_json(plan_to_json(plan), "p").base_rank, 8);
  for (const Json& bad : {Json(0), Json(-1), Json(65537), Json("8"), Json(1.5)}) {
    Json json = plan_to_json(plan);
    json["base_rank"] = bad;
    EXPECT_CONTAINS(error_of<FormatError>([&] { plan_from_json(json, "p.json"); }), "base_rank");
  }
}

struct Bad {
  const char* layers;
  std::vector<const char*> says;
};

TEST(Plan, RefusesBadInputByPlace) {
  const std::vector<Bad> table = {
      {R"({"a": 1})", {"\"layers\"", "array"}},
      {R"([{"layer": 0, "experts": [1, 1], "ranks": [null, null]}])", {"layer 0", "ascending"}},
      {R"([{"layer": 0, "experts": [3, 1], "ranks": [null, null]}])", {"layer 0", "ascending"}},
      {R"([{"layer": 0, "experts": [-1], "ranks": [null]}])", {"layer 0", "experts"}},
      {R"([{"layer": 2, "experts": [1], "ranks": []}])", {"layer 2", "ranks"}},
      {R"([{"layer": 2, "experts": [1], "ranks": {"0": 1}}])", {"layer 2", "ranks"}},
      {R"([{"layer": 2, "experts": [5], "ranks": [0]}])", {"layer 2", "expert 5", "from 1 to 65536"}},
      {R"([{"layer": 2, "experts": [5], "ranks": [2.5]}])", {"layer 2", "expert 5"}},
      {R"([{"layer": 2, "experts": [5], "ranks": [4611686018427387904]}])", {"layer 2", "expert 5", "from 1 to 65536"}},
      {R"([{"layer": 2, "experts": [5], "ranks": [65537]}])", {"layer 2", "expert 5"}},
      {R"([{"layer": 2, "experts": [65536], "ranks": [1]}])", {"layer 2", "experts"}},
      {R"([{"layer": 1152921504606846976, "experts": [5], "ranks": [1]}])", {"layer"}},
      {R"([{"layer": 2, "experts": [5], "ranks": [1], "coverage": -0.5}])", {"layer 2", "coverage"}},
      {R"([{"layer": 2, "experts": [5], "ranks": [1], "alphas": [2]}])", {"layer 2", "alphas"}},
      {R"([{"layer": 2, "experts": ["5"], "ranks": [1]}])", {"layer 2", "experts"}},
      {R"([{"layer": 2, "ranks": [1]}])", {"layer 2", "experts"}},
      {R"([{"layer": 2, "experts": [1]}])", {"layer 2", "ranks"}},
      {R"([{"experts": [1], "ranks": [null]}])", {"layer"}},
      {R"([{"layer": "0", "experts": [1], "ranks": [null]}])", {"layer"}},
      {R"([{"layer": -1, "experts": [1], "ranks": [null]}])", {"layer"}},
      {R"([7])", {"object", "number"}},
      {R"([{"layer": 1, "experts": [], "ranks": []}, {"layer": 1, "experts": [], "ranks": []}])", {"layers", "ascending"}},
      {R"([{"layer": 1, "experts": [], "ranks": []}, {"layer": 0, "experts": [], "ranks": []}])", {"layers", "ascending"}},
  };
  for (const Bad& bad : table) {
    const Json json = parse_json(std::string(R"({"format": "hellora.plan/1", "layers": )") + bad.layers + "}", "test");
    const std::string message = error_of<FormatError>([&] { plan_from_json(json, "some/plan.json"); });
    EXPECT_CONTAINS(message, "some/plan.json");
    for (const char* part : bad.says) EXPECT_CONTAINS(message, part) << " for " << bad.layers;
  }
}

TEST(Plan, RefusesWhatItDoesNotKnow) {
  const auto message = [](const char* key, const Json& value) {
    Json json = plan_to_json(sample());
    json[key] = value;
    return error_of<FormatError>([&] { plan_from_json(json, "p.json"); });
  };
  EXPECT_CONTAINS(message("arguments", 3), "arguments");
  EXPECT_CONTAINS(message("policy", 3), "policy");
  EXPECT_CONTAINS(message("scale", 2), "\"scale\" is 2");
}

TEST(Plan, RefusesOtherFormats) {
  const auto message = [](const char* text) { return error_of<FormatError>([&] { plan_from_json(parse_json(text, "test"), "p.json"); }); };
  EXPECT_CONTAINS(message(R"({"layers": []})"), "format");
  EXPECT_CONTAINS(message(R"({"format": "hellora.plan/2", "layers": []})"), "hellora.plan/1");
  EXPECT_CONTAINS(message(R"({"format": "hellora.plan/1"})"), "layers");
  EXPECT_CONTAINS(message(R"([1])"), "p.json");
  const TempFolder folder;
  put_file(folder / "plan.json", "{\"format\": ");
  EXPECT_CONTAINS(error_of<FormatError>([&] { read_plan(folder / "plan.json"); }), "plan.json");
}

}  // namespace
}  // namespace hellora
