// PEFT adapters on tiny models: logits, losses, gradients of every factor, merged weights.
#include <set>

#include "tests/golden/model/golden.h"
#include "tests/support/frozen.h"
#include "tests/support/tensors.h"

namespace hellora::testing {
namespace {

class AdapterValues : public GoldenTest {};
class AdapterGradients : public GoldenTest {};
class AdapterMerge : public GoldenTest {};

TEST_P(AdapterValues, LogitsAndLoss) {
  const GoldenFile golden(folder(), dtype()), base(model_folder(folder()), dtype());
  const GoldenBatch batch = golden_batch(folder(), dtype());
  const Subject subject = load_subject(folder(), dtype());
  const Tensor logits = all_logits(*subject.decoder, batch.train.batch);
  EXPECT_TRUE(close_to(logits, batch.rows(golden.get("logits")), bound().value));
  EXPECT_NEAR(mean_loss(*subject.decoder, batch.train), golden.number("loss"), bound().value * golden.number("loss"));
  EXPECT_FALSE(close_to(logits, batch.rows(base.get("logits")), 1e-2)) << "the adapter must change the logits";
}

TEST_P(AdapterGradients, EveryFactor) {
  const GoldenFile golden(folder(), dtype());
  const GoldenBatch batch = golden_batch(folder(), dtype());
  const Subject subject = load_subject(folder(), dtype());
  backward_step(*subject.decoder, batch.train);
  std::set<std::string> keys;
  for (size_t p = 0; p < subject.adapters->specs().size(); ++p) {
    const std::string key = subject.key_prefix + subject.adapters->specs()[p].name;
    keys.insert(key);
    EXPECT_TRUE(close_to(subject.adapters->grad(p), golden.get("grad." + key), bound().gradient)) << key;
  }
  const auto names = golden.names("grad.");
  EXPECT_EQ(keys, std::set<std::string>(names.begin(), names.end()));
}

TEST_P(AdapterMerge, LogitsOfMergedWeights) {
  const GoldenFile golden(folder(), dtype());
  const GoldenBatch batch = golden_batch(folder(), dtype());
  const Subject subject = load_subject(folder(), dtype());
  subject.decoder->bind(nullptr);
  const at::NoGradGuard no_grad;
  for (const Site& site : subject.adapters->sites()) {
    const Adapter* adapter = subject.adapters->find(site.layer, site.slot);
    for (size_t m = 0; m < site.members.size(); ++m) {
      const Tensor weight = frozen_weight(subject.decoder->weights(), site, m);
      set_frozen_weight(subject.decoder->weights(), site, m, adapter->adapted_rows(weight, 0, m));
    }
  }
  EXPECT_TRUE(close_to(all_logits(*subject.decoder, batch.train.batch), batch.rows(golden.get("merged_logits")), bound().value));
}

const auto kDtypes = ::testing::Values(at::kFloat, at::kDouble);
INSTANTIATE_TEST_SUITE_P(Golden, AdapterValues, ::testing::Combine(::testing::ValuesIn(golden_cases(CaseKind::adapter, "logits")), kDtypes),
                         param_name);
INSTANTIATE_TEST_SUITE_P(Golden, AdapterGradients,
                         ::testing::Combine(::testing::ValuesIn(golden_cases(CaseKind::adapter, "grad.")), kDtypes), param_name);
INSTANTIATE_TEST_SUITE_P(Golden, AdapterMerge,
                         ::testing::Combine(::testing::ValuesIn(golden_cases(CaseKind::adapter, "merged_logits")), kDtypes), param_name);

}  // namespace
}  // namespace hellora::testing
