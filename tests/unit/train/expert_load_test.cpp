// Loads of experts between two looks: counts, coverage, drift and balance, exact across a checkpoint.
#include "hellora/train/expert_load.h"

#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

Routing routing_to(std::vector<int64_t> ids, int64_t k) {
  Routing routing;
  routing.ids_TK = at::tensor(ids, at::TensorOptions(at::kLong)).view({-1, k});
  return routing;
}

Plan plan_of(int64_t layer, std::vector<int64_t> experts) {
  Plan plan;
  LayerPlan one;
  one.layer = layer;
  for (const int64_t e : experts) one.experts.push_back({e, 0});
  plan.layers.push_back(one);
  return plan;
}

TEST(ExpertLoad, CountsWhatStepsSaw) {
  const ModelShape shape = tiny_shape();
  const int64_t layer = routed_layers(shape).front(), experts = shape.experts;
  ExpertLoad load(shape, plan_of(layer, {0, 2}));
  EXPECT_TRUE(load.take().is_null());
  load.on_route(layer, routing_to({0, 1, 0, 1, 0, 2, 1, 3}, 2));
  EXPECT_TRUE(load.take().is_null());  // the step is not over
  load.end_step(4);
  const Json got = load.take();
  EXPECT_EQ(got["tokens"], 4);
  ASSERT_EQ(got["layers"].size(), 1U);
  const Json& one = got["layers"][0];
  EXPECT_EQ(one["layer"], layer);
  std::vector<int64_t> counts(static_cast<size_t>(experts));
  counts[0] = counts[1] = 3;
  counts[2] = counts[3] = 1;
  EXPECT_EQ(one["load"].get<std::vector<int64_t>>(), counts);
  EXPECT_EQ(one["coverage"], 0.5);
  EXPECT_EQ(one["drift"], 0.5);  // expert 2 is not among the two busiest
  EXPECT_EQ(one["balance"], 3.0 * static_cast<double>(experts) / 8);
  EXPECT_EQ(got["coverage"], one["coverage"]);
  EXPECT_TRUE(load.take().is_null());  // counting began anew
}

TEST(ExpertLoad, ARunWritesItAtItsEvaluationsAndAResumeTheSame) {
  const auto lines_of = [](const Path& folder) {
    std::vector<Json> lines;
    for_each_json_line(folder / "metrics.jsonl", [&](int64_t, const Json& line) {
      if (!line.contains("loss")) lines.push_back(line);
    });
    return lines;
  };
  const auto prepare = [](TinyRun& run, ExpertLoad& load, const TempFolder& folder) {
    run.job.run_dir = folder.path();
    run.job.load = &load;
    run.job.config.eval_steps = 4;
    run.job.config.save_steps = 3;
  };
  const TempFolder whole_folder, folder;
  TinyRun whole, rest;
  ExpertLoad whole_load(tiny_shape(), tiny_plan()), rest_load(tiny_shape(), tiny_plan());
  prepare(whole, whole_load, whole_folder);
  whole.go();
  const std::vector<Json> want = lines_of(whole_folder.path());
  ASSERT_EQ(want.size(), 1U);  // after the last step the caller asks for it
  EXPECT_EQ(want[0]["step"], 4);
  EXPECT_EQ(want[0]["expert_load"]["tokens"], 4 * 48);
  std::filesystem::copy(whole_folder.path(), folder.path(), std::filesystem::copy_options::recursive);
  prepare(rest, rest_load, folder);
  rest.job.resume = folder / "checkpoint-000003";
  rest.go();
  EXPECT_EQ(lines_of(folder.path()), want);
}

}  // namespace
}  // namespace hellora::testing
