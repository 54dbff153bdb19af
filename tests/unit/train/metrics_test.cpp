// metrics.jsonl across a restart, and the memory forecast's parts.
#include "hellora/train/metrics.h"

#include "hellora/train/memory.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

Json train_line(int64_t step) { return {{"step", step}, {"loss", 1.0}, {"lr", 0.1}, {"grad_norm", 2.0}, {"tokens_per_s", 3.0}}; }

std::vector<int64_t> steps_in(const Path& path) {
  std::vector<int64_t> steps;
  for_each_json_line(path, [&](int64_t, const Json& line) { steps.push_back(line["step"].get<int64_t>()); });
  return steps;
}

TEST(MetricsFile, ContinuesBehindItsStep) {
  const TempFolder folder;
  const Path path = folder / "metrics.jsonl";
  {
    Metrics metrics(folder.path(), 0);
    for (int64_t step = 1; step <= 4; ++step) metrics.train_line(train_line(step));
    metrics.eval_line(4, 1.5);
  }
  EXPECT_EQ(steps_in(path), (std::vector<int64_t>{1, 2, 3, 4, 4}));
  put_file(path, slurp(path) + "{\"step\":5,\"lo");  // cut short by a kill
  {
    Metrics metrics(folder.path(), 3);
    metrics.train_line(train_line(4));
  }
  EXPECT_EQ(steps_in(path), (std::vector<int64_t>{1, 2, 3, 4}));
  Metrics(folder.path(), 0).train_line(train_line(1));  // a fresh run starts over
  EXPECT_EQ(steps_in(path), std::vector<int64_t>{1});
}

TEST(MetricsFile, KnowsTheEvaluationsThatAreThere) {
  const TempFolder folder;
  {
    Metrics metrics(folder.path(), 0);
    metrics.eval_line(0, 3);
    metrics.train_line(train_line(1));
    metrics.train_line(train_line(2));
    metrics.eval_line(2, std::nullopt, Json{{"coverage", 0.5}, {"drift", 0.0}, {"balance", 1.0}, {"layers", Json::array()}});
    metrics.eval_line(4, std::nullopt);  // nothing was found
  }
  const Metrics metrics(folder.path(), 1);
  EXPECT_TRUE(metrics.has_eval(0));
  EXPECT_FALSE(metrics.has_eval(1));  // a training line is none
  EXPECT_FALSE(metrics.has_eval(2));  // cut off
  EXPECT_EQ(steps_in(folder / "metrics.jsonl"), (std::vector<int64_t>{0, 1}));
  {
    Metrics later(folder.path(), 1);
    later.eval_line(1, 2.5);
  }
  EXPECT_TRUE(Metrics(folder.path(), 1).has_eval(1));
  const Metrics longer(folder.path(), 1, false);  // the run ended there once
  EXPECT_TRUE(longer.has_eval(0));
  EXPECT_FALSE(longer.has_eval(1));
  EXPECT_EQ(steps_in(folder / "metrics.jsonl"), (std::vector<int64_t>{0, 1}));
}

TEST(MetricsFile, WithoutAFolderNothingIsWritten) {
  Metrics metrics(Path(), 0);
  metrics.train_line(train_line(1));
  metrics.eval_line(1, 2);
}

TEST(Memory, CountsWeightsAsLoaded) {
  const TinyModel model;
  const ModelWeights& w = model.decoder->weights();
  int64_t bytes = w.arena.bytes() + static_cast<int64_t>(w.embed_VD.nbytes() + w.final_norm_D.nbytes());
  for (const LayerWeights& layer : w.layers) {
    for (const Slot slot : layer_slots()) {
      if (layer.vector[slot].defined()) bytes += static_cast<int64_t>(layer.vector[slot].nbytes());
    }
  }
  EXPECT_EQ(weight_bytes(tiny_shape(), 4), bytes);
  const auto forecast = [&](TrainingNeeds needs) {
    needs.weights = bytes;
    needs.trainable = 1000;
    needs.adapted_layers = 2;
    return forecast_training(tiny_shape(), needs);
  };
  const Forecast small = forecast({.tokens = 64}), large = forecast({.tokens = 128});
  EXPECT_LT(forecast({.tokens = 4096, .saved_bytes = 2}).activations, forecast({.tokens = 4096, .saved_bytes = 4}).activations);
  EXPECT_EQ(forecast({.frozen = 10, .step_bytes = 8, .tokens = 64}).adapters, small.adapters + 40 + 8000);
  EXPECT_EQ(small.weights, bytes);
  EXPECT_EQ(small.adapters, 5 * 4000);  // value, gradient, two moments, the audit's copy
  EXPECT_GT(large.activations, small.activations);
  EXPECT_GT(peak_resident_bytes(), 0);
  EXPECT_LE(resident_bytes(), peak_resident_bytes());
  EXPECT_LT(peak_resident_bytes(), machine_bytes());
}

}  // namespace
}  // namespace hellora::testing
