// Learning rates by hand, steps of a run, and which rows reach the loss.
#include "hellora/train/schedule.h"

#include <cmath>
#include <numbers>

#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

TrainConfig scheduled(const std::string& schedule, double warmup) {
  TrainConfig config;
  config.lr = 0.4;
  config.schedule = schedule;
  config.warmup_ratio = warmup;
  return config;
}

TEST(Schedule, RisesInTheWarmupAndThenFollowsItsShape) {
  for (const char* schedule : {"constant", "linear", "cosine"}) {
    const TrainConfig config = scheduled(schedule, 0.35);  // ceil(3.5) = 4 steps of 10
    for (int64_t t = 0; t < 4; ++t) EXPECT_DOUBLE_EQ(learning_rate(config, t, 10), 0.4 * static_cast<double>(t + 1) / 4) << schedule;
    EXPECT_DOUBLE_EQ(learning_rate(config, 4, 10), 0.4) << schedule;
  }
  EXPECT_DOUBLE_EQ(learning_rate(scheduled("constant", 0.35), 9, 10), 0.4);
  EXPECT_DOUBLE_EQ(learning_rate(scheduled("linear", 0.35), 7, 10), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(scheduled("cosine", 0.35), 7, 10), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(scheduled("cosine", 0.35), 5, 10), 0.2 * (1 + std::cos(std::numbers::pi / 6)));
  EXPECT_DOUBLE_EQ(learning_rate(scheduled("linear", 0), 0, 10), 0.4);
  EXPECT_DOUBLE_EQ(learning_rate(scheduled("linear", 0), 9, 10), 0.4 * 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(scheduled("linear", 1), 9, 10), 0.4);  // all warm-up
  EXPECT_DOUBLE_EQ(learning_rate(scheduled("cosine", 0.03), 0, 1), 0.4);
}

TEST(TotalSteps, CountsBatchesAccumulationAndFractions) {
  const Dataset data = random_dataset(10, 12);
  TrainJob job;
  job.data = &data;
  job.packing = {24, true, 12};  // 5 batches
  const auto steps = [&](double epochs, int64_t accumulation, int64_t max_steps) {
    job.config.epochs = epochs;
    job.config.grad_accumulation = accumulation;
    job.config.max_steps = max_steps;
    return total_steps(job);
  };
  EXPECT_EQ(steps(1, 1, 0), 5);
  EXPECT_EQ(steps(2, 2, 0), 6);  // an epoch's last step may be short
  EXPECT_EQ(steps(0.5, 1, 0), 3);
  EXPECT_EQ(steps(1.2, 1, 0), 6);
  EXPECT_EQ(steps(1, 1, 17), 17);
}

TEST(Reach, EndsAtTheLastSupervisedRowOfEachDocument) {
  using Row = std::vector<int64_t>;
  Dataset data;
  data.add(Row{1, 2, 3, 4}, Row{kIgnore, 3, kIgnore, kIgnore}, 0);
  data.add(Row{5, 6}, Row{kIgnore, kIgnore}, 1);
  data.add(Row{7, 8}, Row{8, kIgnore}, 2);
  const Reach reach = find_reach(pack(data, std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(reach.reaches_T, (std::vector<uint8_t>{1, 1, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(reach.supervised_T, (std::vector<uint8_t>{0, 1, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(reach.reaching, 3);
  EXPECT_EQ(reach.supervised, 2);
}

}  // namespace
}  // namespace hellora::testing
