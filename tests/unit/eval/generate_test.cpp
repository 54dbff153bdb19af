// Generation: greedy against a cache-free pass, stopping, limits, sampling as a function of (seed, row, position).
#include "hellora/eval/generate.h"

#include <cmath>

#include "tests/support/step.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

using Prompts = std::vector<std::vector<int64_t>>;

Prompts some_prompts() {
  return {random_ids(5, tiny_shape().vocab, 1), random_ids(1, tiny_shape().vocab, 2), random_ids(9, tiny_shape().vocab, 3)};
}

GenerateConfig greedy(int64_t tokens) {
  GenerateConfig config;
  config.max_new_tokens = tokens;
  return config;
}

/// The most probable next id, one whole pass per token.
std::vector<int64_t> plainly(const Decoder& decoder, std::vector<int64_t> ids, int64_t tokens) {
  const size_t prompt = ids.size();
  for (int64_t i = 0; i < tokens; ++i) {
    const Tensor logits = all_logits(decoder, make_batch(Prompts{ids}));
    ids.push_back(logits[logits.size(0) - 1].argmax().item<int64_t>());
  }
  return {ids.begin() + static_cast<int64_t>(prompt), ids.end()};
}

TEST(Generate, GreedyIsTheMostProbableIdOfEveryRow) {
  const TinyModel model(tiny_shape(), at::kDouble);
  const Prompts prompts = some_prompts();
  const auto out = generate(*model.decoder, prompts, greedy(12));
  for (size_t row = 0; row < prompts.size(); ++row) EXPECT_EQ(out[row], plainly(*model.decoder, prompts[row], 12)) << row;
}

TEST(Generate, SeesTheAdapters) {
  const TinyModel model(tiny_shape(), at::kDouble);
  const auto adapters = fresh_adapters(tiny_shape(), tiny_plan(), tiny_config(), at::kDouble);
  randomise(*adapters, 3);
  const Prompts prompts = some_prompts();
  const auto base = generate(*model.decoder, prompts, greedy(12));
  model.decoder->bind(adapters.get());
  const auto out = generate(*model.decoder, prompts, greedy(12));
  EXPECT_NE(out, base);
  EXPECT_EQ(out[2], plainly(*model.decoder, prompts[2], 12));
}

TEST(Generate, AStopIdEndsItsRowOnlyAndIsNotPartOfIt) {
  const TinyModel model(tiny_shape(), at::kDouble);
  const Prompts prompts = some_prompts();
  const auto free = generate(*model.decoder, prompts, greedy(12));
  GenerateConfig config = greedy(12);
  config.stop_ids = {free[0][4], 60};
  std::vector<std::vector<int64_t>> streamed(prompts.size());
  const auto out = generate(*model.decoder, prompts, config, [&](size_t row, int64_t id) { streamed[row].push_back(id); });
  for (size_t row = 0; row < prompts.size(); ++row) {
    std::vector<int64_t> want;
    for (const int64_t id : free[row]) {
      if (id == config.stop_ids[0] || id == config.stop_ids[1]) break;
      want.push_back(id);
    }
    EXPECT_EQ(out[row], want) << row;
  }
  EXPECT_LT(out[0].size(), 12U);
  EXPECT_EQ(streamed, out);
}

TEST(Generate, EndsWhereThePositionsEnd) {
  ModelShape shape = tiny_shape();
  shape.max_positions = 8;
  const TinyModel model(shape, at::kDouble);
  const Prompts prompts = {random_ids(5, shape.vocab, 1), random_ids(7, shape.vocab, 1)};
  const auto out = generate(*model.decoder, prompts, greedy(50));
  EXPECT_EQ(out[0].size(), 4U);  // positions 5, 6 and 7, and the id that position 7 predicts
  EXPECT_EQ(out[1].size(), 2U);
  EXPECT_CONTAINS(error_of<DataError>([&] { generate(*model.decoder, Prompts{random_ids(8, shape.vocab, 1)}, greedy(1)); }),
                  "8 tokens; the model has 8 positions");
  EXPECT_CONTAINS(error_of<DataError>([&] { generate(*model.decoder, Prompts{{}}, greedy(1)); }), "the prompt is empty");
  EXPECT_TRUE(generate(*model.decoder, prompts, greedy(0))[0].empty());
}

Tensor logits_of(const std::vector<float>& values) { return at::tensor(values); }

TEST(PickToken, GreedyTiesGoToTheLowerId) {
  EXPECT_EQ(pick_token(logits_of({0, 3, 1, 3}), greedy(1), 0, 0), 1);
  EXPECT_EQ(pick_token(logits_of({-2, -1, -1, -5}), greedy(1), 0, 0), 1);
}

/// How often each of four ids is drawn at 4,000 positions.
std::vector<double> shares(const GenerateConfig& config, size_t row = 0) {
  std::vector<double> share(4, 0);
  for (int64_t position = 0; position < 4000; ++position) {
    const int64_t id = pick_token(logits_of({std::log(1.0F), std::log(2.0F), std::log(4.0F), std::log(3.0F)}), config, row, position);
    share[static_cast<size_t>(id)] += 1.0 / 4000;
  }
  return share;
}

TEST(PickToken, SamplesByProbabilityTemperatureAndTopP) {
  GenerateConfig config;
  config.seed = 4;
  config.temperature = 1;
  const double bound = 5 * std::sqrt(0.25 / 4000);  // five standard deviations
  const auto expect_shares = [&](const std::vector<double>& want) {
    const std::vector<double> got = shares(config);
    for (size_t id = 0; id < 4; ++id) EXPECT_NEAR(got[id], want[id], want[id] == 0 ? 0 : bound) << id;
  };
  expect_shares({0.1, 0.2, 0.4, 0.3});
  config.temperature = 0.5;  // probabilities are squared
  expect_shares({1.0 / 30, 4.0 / 30, 16.0 / 30, 9.0 / 30});
  config.temperature = 1;
  config.top_p = 0.5;  // 0.4 is not enough: two ids
  expect_shares({0, 0, 4.0 / 7, 3.0 / 7});
  config.top_p = 0.39;
  expect_shares({0, 0, 1, 0});
}

TEST(PickToken, DependsOnSeedRowAndPosition) {
  GenerateConfig config;
  config.temperature = 1;
  const std::vector<double> first = shares(config);
  EXPECT_EQ(shares(config), first);
  EXPECT_NE(shares(config, 1), first);
  config.seed = 1;
  EXPECT_NE(shares(config), first);
}

}  // namespace
}  // namespace hellora::testing
