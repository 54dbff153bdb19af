// How many steps a run has, counted without shuffling a million epochs, and what a longer run means.
#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

Schedule schedule_over(const Dataset& data, const PackingRule& packing, int64_t accumulation = 1) {
  return {&data, packing, 7, accumulation};
}

Dataset mixed_dataset(int64_t count) {
  Dataset data;
  for (int64_t i = 0; i < count; ++i) add_random(data, 5 + 3 * (i % 4), 2, static_cast<uint64_t>(i), i);
  return data;
}

int64_t counted(const Schedule& s, int64_t epochs) {
  int64_t steps = 0;
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    const auto batches = static_cast<int64_t>(epoch_batches(*s.data, s.packing, s.seed, epoch).size());
    steps += (batches + s.grad_accumulation - 1) / s.grad_accumulation;
  }
  return steps;
}

TEST(StepsOfEpochs, AreThoseOfTheBatches) {
  const Dataset even = random_dataset(10, 12), mixed = mixed_dataset(23);
  for (const Dataset* data : {&even, &mixed}) {
    for (const PackingRule& rule : {PackingRule{24, true, 14}, {1000, true, 14}, {9, true, 14}, {30, false, 14}, {20, true, 14}}) {
      for (const int64_t accumulation : {1, 2, 3}) {
        const Schedule schedule = schedule_over(*data, rule, accumulation);
        EXPECT_EQ(steps_of_epochs(schedule, 7), counted(schedule, 7)) << rule.tokens << rule.packing << accumulation;
      }
    }
  }
}

TEST(StepsOfEpochs, AMillionEpochsAreCountedOrRefusedAtOnce) {
  const Dataset even = random_dataset(10, 12), mixed = mixed_dataset(400);
  EXPECT_EQ(steps_of_epochs(schedule_over(even, {24, true, 12}), 1000000), 5000000);
  EXPECT_EQ(steps_of_epochs(schedule_over(mixed, {1 << 20, true, 14}), 1000000), 1000000);
  EXPECT_EQ(steps_of_epochs(schedule_over(mixed, {30, false, 14}), 1000000), 200000000);
  const Schedule uneven = schedule_over(mixed, {24, true, 14});
  const std::string error = error_of<ConfigError>([&] { steps_of_epochs(uneven, 1000000); });
  EXPECT_CONTAINS(error, "train.epochs: at most 5242 for these data");
  EXPECT_CONTAINS(error, "train.max_steps");
  EXPECT_EQ(steps_of_epochs(uneven, 100), counted(uneven, 100));
}

TEST(RunLength, RefusesARunThatTrainsNothing) {
  TrainConfig config;
  config.epochs = 0;
  EXPECT_CONTAINS(error_of<ConfigError>([&] { refuse_idle(config); }), "train.epochs is 0 and train.max_steps too");
  config.max_steps = 3;
  refuse_idle(config);
  config.lr = 0;
  EXPECT_CONTAINS(error_of<ConfigError>([&] { refuse_idle(config); }), "train.lr is 0.0: nothing would be trained");
}

}  // namespace
}  // namespace hellora::testing
