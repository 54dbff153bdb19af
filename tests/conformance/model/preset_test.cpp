// Presets: every row of the table against the sizes of its own tensors and against published numbers.
#include <map>

#include "hellora/model/count.h"
#include "tests/support/tables.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

class PresetRow : public ::testing::TestWithParam<TableRow<Preset>> {
 protected:
  static ModelShape shape() { return GetParam()->shape(); }
};

/// Rank, experts per layer (0: all) and the trainable parameters of LoRA on the default targets.
struct Trainable {
  int64_t rank, k, count;
};
struct Published {
  int64_t base;
  std::vector<Trainable> lora;
};

/// The base from the published checkpoint; OLMoE's LoRA numbers are those behind the 15.7 % of arXiv 2605.18795.
const std::map<std::string, Published>& published() {
  static const std::map<std::string, Published> table = {
      {"olmoe-1b-7b", {6'919'161'856, {{32, 0, 311'459'840}, {32, 8, 47'218'688}, {32, 16, 84'967'424}}}}};
  return table;
}

int64_t trainable(const ModelShape& shape, int64_t rank, int64_t k) {
  AdapterConfig config;
  config.rank = rank;
  return count_trainable(shape, config, k == 0 ? all_experts(shape) : first_experts(shape, k));
}

TEST_P(PresetRow, CountsWhatItsTensorsHold) {
  AdapterConfig everything;
  everything.method = "full";
  everything.targets = every_target(shape());
  EXPECT_EQ(count_base(shape()), count_trainable(shape(), everything, all_experts(shape())));
  EXPECT_LT(count_active(shape()), count_base(shape()));
  const Arch& arch = find_arch(shape().arch, "test");
  EXPECT_EQ(arch.config(read_shape(arch.config(shape()), "test")), arch.config(shape()));
  EXPECT_EQ(count_base(find_preset(GetParam().name())), count_base(shape()));
}

TEST_P(PresetRow, GivesThePublishedNumbers) {
  ASSERT_TRUE(published().contains(GetParam().name())) << "a preset needs its published numbers in this file";
  const Published& want = published().at(GetParam().name());
  EXPECT_EQ(count_base(shape()), want.base);
  for (const Trainable& one : want.lora)
    EXPECT_EQ(trainable(shape(), one.rank, one.k), one.count) << "rank " << one.rank << ", k " << one.k;
}

INSTANTIATE_TEST_SUITE_P(Table, PresetRow, ::testing::ValuesIn(table_rows(presets())), row_name<Preset>);

TEST(Preset, OlmoeRatiosOfThePaper) {
  const ModelShape shape = find_preset("olmoe-1b-7b");
  const Ratios at_32 = count_ratios(count_base(shape), trainable(shape, 32, 8), trainable(shape, 32, 0));
  EXPECT_NEAR(at_32.raw, 0.15160, 5e-6);
  EXPECT_NEAR(at_32.of_percentages, 0.15735, 5e-6);
  EXPECT_NEAR(count_ratios(count_base(shape), trainable(shape, 64, 8), trainable(shape, 64, 0)).of_percentages, 0.16303, 5e-6);
}

}  // namespace
}  // namespace hellora::testing
