#include "hellora/tensor/parallel.h"

#include <atomic>

#include "tests/support/tensors.h"

namespace hellora {
namespace {

TEST(ParallelTasks, RunsEachTaskOnceWithoutAutograd) {
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    std::vector<std::atomic<int>> runs(100);
    std::atomic<int> with_gradients = 0;
    parallel_tasks(100, [&](int64_t task) {
      ++runs[static_cast<size_t>(task)];
      if (at::GradMode::is_enabled()) ++with_gradients;
    });
    for (const auto& count : runs) EXPECT_EQ(count, 1);
    EXPECT_EQ(with_gradients, 0);
    EXPECT_TRUE(at::GradMode::is_enabled());
  }
  at::set_num_threads(1);
  parallel_tasks(0, [](int64_t) { ADD_FAILURE(); });
}

TEST(ParallelTasks, PassesAnExceptionOn) {
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    EXPECT_THROW(parallel_tasks(10,
                                [](int64_t task) {
                                  if (task == 6) throw std::runtime_error("six");
                                }),
                 std::runtime_error);
  }
  at::set_num_threads(1);
}

}  // namespace
}  // namespace hellora
