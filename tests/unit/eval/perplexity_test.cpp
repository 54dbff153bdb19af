// Loss over a dataset against a direct computation, document by document.
#include "hellora/eval/perplexity.h"

#include "hellora/select/profile.h"
#include "tests/support/tolerances.h"
#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

Dataset mixed_lengths() {
  Dataset data = random_dataset(20, 30, 2);
  for (int64_t length = 3; length < 20; ++length) add_random(data, length, 2, 90 + static_cast<uint64_t>(length));
  return data;  // more supervised rows than one chunk of logits
}

/// -log softmax(logits)[target] by its definition, one document at a time.
LossSum directly(const Decoder& decoder, const Dataset& data) {
  const at::NoGradGuard no_grad;
  LossSum total;
  for (const Example& example : data.examples) {
    const std::vector<std::vector<int64_t>> documents = {{example.ids.begin(), example.ids.end()}};
    const Tensor logits_TV = decoder.logits(decoder.hidden(make_batch(documents), {}), {});
    for (size_t t = 0; t < example.targets.size(); ++t) {
      if (example.targets[t] == kIgnore) continue;
      const Tensor row = logits_TV[static_cast<int64_t>(t)];
      total.sum += (row.exp().sum().log() - row[int64_t{example.targets[t]}]).item<double>();
      ++total.count;
    }
  }
  return total;
}

TEST(Perplexity, EqualsTheDefinition) {
  TinyModel model(tiny_shape(), at::kDouble);
  const Dataset data = mixed_lengths();
  const LossSum want = directly(*model.decoder, data);
  ASSERT_GT(want.count, 600);
  for (const PackingRule& rule : {PackingRule{512, true, 30}, PackingRule{64, true, 30}, PackingRule{90, false, 30}}) {
    const LossSum got = evaluate_dataset(*model.decoder, data, rule);
    EXPECT_EQ(got.count, want.count);
    EXPECT_NEAR(got.sum, want.sum, kSameMath64 * want.sum);
  }
}

TEST(Perplexity, SeesTheAdapters) {
  TinyModel model(tiny_shape(), at::kDouble);
  const Dataset data = mixed_lengths();
  const auto adapters = fresh_adapters(tiny_shape(), tiny_plan(), tiny_config(), at::kDouble);
  const double base = evaluate_dataset(*model.decoder, data, {}).sum;
  model.decoder->bind(adapters.get());
  EXPECT_EQ(evaluate_dataset(*model.decoder, data, {}).sum, base);  // B starts at zero
  randomise(*adapters, 2);
  const LossSum got = evaluate_dataset(*model.decoder, data, {}), want = directly(*model.decoder, data);
  EXPECT_GT(std::abs(got.sum - base), 1e-3 * base);
  EXPECT_NEAR(got.sum, want.sum, kSameMath64 * want.sum);
  model.decoder->bind(nullptr);
}

TEST(Perplexity, ObserversSeeEveryRowOnceAndMayStop) {
  TinyModel model;
  const Dataset data = mixed_lengths();
  RouteCounter counter(routed_layers(tiny_shape()), 6, false);
  Observer* observers[] = {&counter};
  int64_t passes = 0;
  const auto begin = [&](const PackedBatch& batch) {
    counter.begin(batch, data);
    ++passes;
    return true;
  };
  const PackingRule rule{64, true, 30};
  evaluate_dataset(*model.decoder, data, rule, observers, begin);
  EXPECT_EQ(passes, static_cast<int64_t>(ordered_batches(data, rule).size()));
  EXPECT_EQ(counter.layers[0].tokens, data.tokens());
  EXPECT_EQ(counter.layers[1].tokens, data.tokens());

  int64_t allowed = 2;
  const LossSum part = evaluate_dataset(*model.decoder, data, rule, {}, [&](const PackedBatch&) { return allowed-- > 0; });
  EXPECT_EQ(part.count, 4 * 28);  // two batches of two documents of 30 tokens, 28 supervised each
}

TEST(Perplexity, IsTheSameOnAnyNumberOfThreads) {
  TinyModel model;
  const Dataset data = mixed_lengths();
  expect_same_for_any_threads(
      [&] { return std::vector<Tensor>{at::scalar_tensor(evaluate_dataset(*model.decoder, data, {}).sum, at::kDouble)}; });
}

}  // namespace
}  // namespace hellora::testing
