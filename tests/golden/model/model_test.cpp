// Base models against transformers: hidden states, routing, logits, losses, and gradients of selected weights.
#include "hellora/tensor/rms_norm.h"
#include "tests/golden/model/golden.h"
#include "tests/support/tensors.h"

namespace hellora::testing {
namespace {

class Model : public GoldenTest {};

/// The golden balance loss and its factor: transformers' is stored plain, DeepSeek's times alpha.
std::pair<std::string, double> aux_of(const Subject& subject) {
  const ModelShape& shape = subject.decoder->shape();
  if (shape.router.balance == Balance::pooled) return {"aux", 1.0};
  return {"aux_deepseek", shape.aux_loss};
}

std::vector<SequenceRows> sequences_of(const GoldenBatch& batch) {
  std::vector<SequenceRows> rows;
  for (const Segment& segment : batch.train.batch.segments) rows.push_back({segment.start, segment.length});
  return rows;
}

TEST_P(Model, HiddenStatesAndLogits) {
  const GoldenFile golden(folder(), dtype());
  const GoldenBatch batch = golden_batch(folder(), dtype());
  const Subject subject = load_base(folder(), dtype());
  const at::NoGradGuard no_grad;
  size_t traced = 0;
  Forward forward;
  forward.trace = [&](const std::string& name, const Tensor& value) {
    ++traced;
    EXPECT_TRUE(close_to(value, batch.rows(golden.get("hidden." + name)), bound().value)) << "hidden." << name;
  };
  const Tensor h_TD = subject.decoder->hidden(batch.train.batch, forward);
  EXPECT_EQ(traced + 1, golden.names("hidden.").size());  // hidden.final comes from the norm below
  const Tensor final_TD = rms_norm(h_TD, subject.decoder->weights().final_norm_D, subject.decoder->shape().rms_eps);
  EXPECT_TRUE(close_to(final_TD, batch.rows(golden.get("hidden.final")), bound().value));
  EXPECT_TRUE(close_to(subject.decoder->logits(h_TD, {}), batch.rows(golden.get("logits")), bound().value));
}

TEST_P(Model, RoutingAndLosses) {
  const GoldenFile golden(folder(), dtype());
  const GoldenBatch batch = golden_batch(folder(), dtype());
  const Subject subject = load_base(folder(), dtype());
  const at::NoGradGuard no_grad;
  RoutingKeeper routing;
  Forward forward;
  forward.observers = {&routing};
  const Tensor h_TD = subject.decoder->hidden(batch.train.batch, forward);
  ASSERT_EQ(3 * routing.layers.size(), golden.names("router.").size());
  for (size_t i = 0; i < routing.layers.size(); ++i) {
    SCOPED_TRACE(routing.numbers[i]);
    const Routing& one = routing.layers[i];
    const auto want = [&](const char* what) { return batch.rows(golden.get("router." + std::to_string(routing.numbers[i]) + "." + what)); };
    EXPECT_TRUE(close_to(one.logits_TE, want("logits"), bound().value));
    EXPECT_TRUE(same_bytes(one.ids_TK, want("indices")));
    EXPECT_TRUE(close_to(one.weights_TK, want("weights"), bound().value));
  }
  EXPECT_NEAR(mean_loss(*subject.decoder, batch.train), golden.number("loss"), bound().value * golden.number("loss"));
  if (!golden.names("aux").empty()) {
    const auto [name, factor] = aux_of(subject);
    EXPECT_TRUE(close_to(balance_loss(subject.decoder->shape().router.balance, routing.layers, sequences_of(batch)) * factor,
                         golden.get(name), bound().value));
  } else {
    EXPECT_TRUE(routing.layers.empty()) << "a routed model has a balance loss";
  }
}

/// Every golden tensor "PREFIX NAME" is the gradient of the parameter NAME.
void expect_gradients(const Subject& subject, const GoldenFile& golden, const std::string& prefix, double bound) {
  size_t compared = 0;
  for (size_t p = 0; p < subject.adapters->specs().size(); ++p) {
    const std::string& name = subject.adapters->specs()[p].name;
    for (const std::string& wanted : golden.names(prefix)) {
      if (wanted != name) continue;
      EXPECT_TRUE(close_to(subject.adapters->grad(p), golden.get(prefix + name), bound)) << prefix << name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 0U);
  EXPECT_EQ(compared, golden.names(prefix).size()) << "golden gradients without a parameter";
}

TEST_P(Model, GradientsOfWeights) {
  const GoldenFile golden(folder(), dtype());
  const Subject trained = load_subject(folder(), dtype());
  const GoldenBatch batch = golden_batch(folder(), dtype());
  EXPECT_NEAR(backward_step(*trained.decoder, batch.train), golden.number("loss"), bound().value * golden.number("loss"));
  expect_gradients(trained, golden, "grad.", bound().gradient);
  trained.adapters->flat_grad().zero_();
  if (trained.decoder->shape().experts == 0) return;
  backward_step(*trained.decoder, batch.train, trained.decoder->shape().aux_loss);
  expect_gradients(trained, golden, "grad_" + aux_of(trained).first + ".", bound().gradient);
}

INSTANTIATE_TEST_SUITE_P(Golden, Model,
                         ::testing::Combine(::testing::ValuesIn(golden_cases(CaseKind::model)), ::testing::Values(at::kFloat, at::kDouble)),
                         param_name);

}  // namespace
}  // namespace hellora::testing
