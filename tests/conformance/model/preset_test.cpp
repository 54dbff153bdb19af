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
  int64_t base, active;
  double gflops;      // of the matrices, forward, per token
  int64_t attention;  // FLOPs per token and position that it sees
  std::vector<Trainable> lora;
};

/// Base and active parameters are those of the published checkpoints; LoRA numbers follow from the sizes, OLMoE's, Mixtral's and
/// DeepSeekMoE's are those behind the 15.7 %, 30.1 % and 23.2 % of arXiv 2605.18795.
const std::map<std::string, Published>& published() {
  static const std::map<std::string, Published> table = {
      {"olmoe-1b-7b", {6'919'161'856, 1'282'017'280, 2.358, 131'072, {{32, 0, 311'459'840}, {32, 8, 47'218'688}, {32, 16, 84'967'424}}}},
      {"mixtral-8x7b", {46'702'792'704, 12'879'925'248, 25.50, 524'288, {{32, 0, 484'450'304}, {32, 2, 144'711'680}}}},
      {"deepseek-moe-16b",
       {16'375'728'128, 2'828'650'496, 5.238, 229'376, {{32, 0, 601'843'712}, {32, 12, 136'030'208}, {32, 6, 82'282'496}}}},
      {"deepseek-v2-lite", {15'706'484'224, 2'661'150'208, 4.903, 276'480, {}}},
      {"qwen1.5-moe-a2.7b", {14'315'784'192, 2'689'173'504, 4.756, 196'608, {{32, 0, 32 * (393'216 + 50'592 + 14'929'920 + 552'960)}}}},
      {"qwen3-30b-a3b", {30'532'122'624, 3'353'032'704, 6.083, 786'432, {{32, 0, 32 * (835'584 + 104'448 + 51'904'512)}}}},
      {"llama-2-7b", {6'738'415'616, 6'738'415'616, 13.21, 524'288, {}}},
      {"llama-3-8b", {8'030'261'248, 8'030'261'248, 15.01, 524'288, {}}},
      {"mistral-7b", {7'241'732'096, 7'241'732'096, 14.22, 524'288, {}}},
  };
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
  const Arch& arch = find_arch(shape().arch, "test");
  EXPECT_EQ(arch.config(read_shape(arch.config(shape()), "test")), arch.config(shape()));
  EXPECT_EQ(count_base(find_preset(GetParam().name())), count_base(shape()));
}

TEST_P(PresetRow, GivesThePublishedNumbers) {
  ASSERT_TRUE(published().contains(GetParam().name())) << "a preset needs its published numbers in this file";
  const Published& want = published().at(GetParam().name());
  EXPECT_EQ(count_base(shape()), want.base);
  EXPECT_EQ(count_active(shape()), want.active);
  EXPECT_NEAR(base_flops(shape()) * 1e-9, want.gflops, 6e-3);
  EXPECT_EQ(attention_flops(shape()), static_cast<double>(want.attention));
  for (const Trainable& one : want.lora)
    EXPECT_EQ(trainable(shape(), one.rank, one.k), one.count) << "rank " << one.rank << ", k " << one.k;
}

INSTANTIATE_TEST_SUITE_P(Table, PresetRow, ::testing::ValuesIn(table_rows(presets())), row_name<Preset>);

/// Preset, rank, k, the raw ratio and the quotient of the printed percentages.
struct PaperRatio {
  const char* preset;
  int64_t rank, k;
  double raw, of_percentages;
};

TEST(Preset, RatiosOfThePaper) {
  for (const PaperRatio& one :
       {PaperRatio{"olmoe-1b-7b", 32, 8, 0.15160, 0.15735}, PaperRatio{"olmoe-1b-7b", 64, 8, 0.15160, 0.16303},
        PaperRatio{"mixtral-8x7b", 32, 2, 0.29871, 0.30089}, PaperRatio{"deepseek-moe-16b", 32, 12, 0.22602, 0.23240}}) {
    SCOPED_TRACE(one.preset);
    const ModelShape shape = find_preset(one.preset);
    EXPECT_EQ(trainable(shape, one.rank, default_k(find_arch(shape.arch, "test"), shape.experts, shape.router.top_k)),
              trainable(shape, one.rank, one.k))
        << "k of the paper is the family's default";
    const Ratios ratios = count_ratios(count_base(shape), trainable(shape, one.rank, one.k), trainable(shape, one.rank, 0));
    EXPECT_NEAR(ratios.raw, one.raw, 6e-6);
    EXPECT_NEAR(ratios.of_percentages, one.of_percentages, 6e-5);
  }
}

}  // namespace
}  // namespace hellora::testing
