// Evaluation tasks: every row of the table runs on a tiny model with its own default data.
#include "hellora/eval/task.h"

#include <cmath>
#include <filesystem>

#include "tests/support/tables.h"
#include "tests/support/tiny_model.h"
#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

class TaskRow : public ::testing::TestWithParam<TableRow<Task>> {
 protected:
  static ModelShape byte_shape() {
    ModelShape shape = tiny_shape();
    shape.vocab = 256;  // a byte is a token
    shape.max_positions = 4096;
    return shape;
  }
  TaskResult run(const TaskOptions& options) const { return GetParam()->run(*model_.decoder, byte_tokenizer(), options); }
  static TaskOptions small() {
    TaskOptions options;
    options.data = std::string(GetParam()->data);
    options.shots_data = std::string(GetParam()->shots_data);
    options.limit = 3;
    options.batch = 2;
    options.max_new_tokens = 8;
    return options;
  }
  const TinyModel model_{byte_shape(), at::kDouble};
};

TEST_P(TaskRow, IsFoundByItsNameAndHasItsData) {
  EXPECT_EQ(&find_task(GetParam().name()), &*GetParam());
  EXPECT_FALSE(GetParam()->summary.empty());
  EXPECT_TRUE(std::filesystem::exists(GetParam()->data)) << GetParam()->data;
  EXPECT_TRUE(std::filesystem::exists(GetParam()->shots_data)) << GetParam()->shots_data;
  EXPECT_NE(GetParam()->data, GetParam()->shots_data) << "shots must not come from the tested rows";
}

TEST_P(TaskRow, JudgesEveryRowAndGivesFiniteNumbers) {
  const TaskResult result = run(small());
  EXPECT_EQ(result.count, 3);
  EXPECT_EQ(result.samples.size(), 3U);
  EXPECT_FALSE(result.metrics.empty());
  for (const auto& [name, value] : result.metrics.items()) {
    ASSERT_TRUE(value.is_number()) << name;
    EXPECT_TRUE(std::isfinite(value.get<double>())) << name;
  }
}

TEST_P(TaskRow, IsDeterministicAndIndependentOfTheBatch) {
  const TaskResult want = run(small());
  for (const int64_t batch : {1, 2, 16}) {
    TaskOptions options = small();
    options.batch = batch;
    const TaskResult got = run(options);
    EXPECT_EQ(got.metrics, want.metrics);
    EXPECT_EQ(Json(got.samples), Json(want.samples)) << "batch " << batch;
  }
}

TEST_P(TaskRow, ShotsChangeThePromptOnly) {
  TaskOptions options = small();
  options.limit = 1;
  options.shots = 1;
  EXPECT_EQ(run(options).count, 1);
  options.shots_data = "/nonexistent/shots.jsonl";
  EXPECT_CONTAINS(error_of<DataError>([&] { run(options); }), "/nonexistent/shots.jsonl");
}

TEST_P(TaskRow, BadDataIsRefusedByPlace) {
  const TempFolder folder;
  TaskOptions options = small();
  options.data = put_file(folder / "empty.jsonl", "").string();
  EXPECT_CONTAINS(error_of<DataError>([&] { run(options); }), "empty.jsonl");
  options.data = put_file(folder / "other.jsonl", "{\"unrelated\": 1}\n").string();
  EXPECT_CONTAINS(error_of<FormatError>([&] { run(options); }), "other.jsonl:1");
  options.data = "/nonexistent/rows.jsonl";
  EXPECT_CONTAINS(error_of<DataError>([&] { run(options); }), "/nonexistent/rows.jsonl");
}

INSTANTIATE_TEST_SUITE_P(Table, TaskRow, ::testing::ValuesIn(table_rows(tasks())), row_name<Task>);

TEST(TaskTable, UnknownNamesListTheKnownOnes) {
  const std::string message = error_of<ConfigError>([] { find_task("gsm9k"); });
  for (const Task& task : tasks()) EXPECT_CONTAINS(message, std::string(task.name));
}

}  // namespace
}  // namespace hellora::testing
