// Three AdamW steps against torch.optim: losses before each step and after the last, and the tensors then.
#include "hellora/train/optimizer.h"
#include "tests/golden/model/golden.h"
#include "tests/support/tensors.h"

namespace hellora::testing {
namespace {

class Training : public GoldenTest {};

/// The settings that the case's manifest names.
TrainConfig adamw_settings(const Path& folder, int64_t* steps) {
  const std::string where = (folder / "manifest.json").string();
  const Json adamw = member(parse_json(read_text(where), where), "adamw", where);
  TrainConfig config;
  config.lr = double_member(adamw, "lr", where);
  config.weight_decay = double_member(adamw, "weight_decay", where);
  config.eps = double_member(adamw, "eps", where);
  config.beta1 = adamw["betas"][0].get<double>();
  config.beta2 = adamw["betas"][1].get<double>();
  *steps = int_member(adamw, "steps", where);
  return config;
}

TEST_P(Training, LossesAndTensors) {
  const GoldenFile golden(folder(), dtype());
  const GoldenBatch batch = golden_batch(folder(), dtype());
  const Subject subject = load_subject(folder(), dtype());
  int64_t steps = 0;
  const TrainConfig config = adamw_settings(folder(), &steps);
  AdamW optimizer(*subject.adapters, config);
  ASSERT_EQ(golden.names("loss.step").size(), static_cast<size_t>(steps) + 1);
  for (int64_t step = 0; step <= steps; ++step) {
    optimizer.zero_grad();
    const double loss = backward_step(*subject.decoder, batch.train), want = golden.number("loss.step" + std::to_string(step));
    EXPECT_NEAR(loss, want, bound().value * want) << "before step " << step;
    if (step < steps) optimizer.step(config.lr);
  }
  const std::string prefix = "step" + std::to_string(steps) + ".";
  size_t compared = 0;
  for (size_t p = 0; p < subject.adapters->specs().size(); ++p) {
    const std::string key = subject.key_prefix + subject.adapters->specs()[p].name;
    const auto names = golden.names(prefix + key);
    if (names.empty()) continue;
    EXPECT_TRUE(close_to(subject.adapters->param(p), golden.get(prefix + key), bound().trained)) << key;
    ++compared;
  }
  EXPECT_EQ(compared, golden.names(prefix).size());
}

INSTANTIATE_TEST_SUITE_P(Golden, Training,
                         ::testing::Combine(::testing::ValuesIn(training_cases()), ::testing::Values(at::kFloat, at::kDouble)), param_name);

}  // namespace
}  // namespace hellora::testing
