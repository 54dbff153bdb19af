// One model in two layouts (a tensor per expert, or fused experts as transformers 5 writes them) is the same model, bit for bit.
#include "hellora/model/sites.h"
#include "hellora/model/tensor_io.h"
#include "tests/golden/model/golden.h"
#include "tests/support/tensors.h"

namespace hellora::testing {
namespace {

class Layout : public GoldenTest {
 protected:
  Path original() const { return model_folder(folder().parent_path()); }
};

TEST_P(Layout, SameWeights) {
  const Subject here = load_base(folder(), dtype()), there = load_base(original(), dtype());
  std::vector<std::pair<std::string, Tensor>> want;
  for_each_weight(there.decoder->weights(), [&](const std::string& name, const Tensor& value) { want.emplace_back(name, value); });
  size_t next = 0;
  for_each_weight(here.decoder->weights(), [&](const std::string& name, const Tensor& value) {
    ASSERT_LT(next, want.size());
    EXPECT_EQ(name, want[next].first);
    EXPECT_TRUE(same_bytes(value, want[next].second)) << name;
    ++next;
  });
  EXPECT_EQ(next, want.size());
  EXPECT_EQ(model_hash(*here.decoder), model_hash(*there.decoder));
}

TEST_P(Layout, SameModuleWeights) {
  const Subject here = load_base(folder(), dtype()), there = load_base(original(), dtype());
  size_t compared = 0;
  for (const std::string& name : there.checkpoint->names()) {
    EXPECT_TRUE(same_bytes(base_weight(*here.checkpoint, here.decoder->shape(), name),
                           base_weight(*there.checkpoint, there.decoder->shape(), name)))
        << name;
    ++compared;
  }
  EXPECT_GT(compared, 0U);
}

TEST_P(Layout, SameLogits) {
  const GoldenBatch batch = golden_batch(original(), dtype());
  const Subject here = load_base(folder(), dtype()), there = load_base(original(), dtype());
  EXPECT_TRUE(same_bytes(all_logits(*here.decoder, batch.train.batch), all_logits(*there.decoder, batch.train.batch)));
}

INSTANTIATE_TEST_SUITE_P(Golden, Layout,
                         ::testing::Combine(::testing::ValuesIn(golden_cases(CaseKind::layout)),
                                            ::testing::Values(at::kFloat, at::kDouble)),
                         param_name);

TEST(GoldenCases, EveryKindIsThere) {
  EXPECT_GE(golden_cases(CaseKind::model).size(), 2U);
  EXPECT_GE(golden_cases(CaseKind::adapter).size(), 4U);
  EXPECT_GE(golden_cases(CaseKind::full).size(), 1U);
  EXPECT_GE(golden_cases(CaseKind::layout).size(), 1U);  // of the other families conformance_model builds it
}

}  // namespace
}  // namespace hellora::testing
