// One optimizer step: what accumulation averages, the balance loss, clipping, and dropout that no two micro-batches share.
#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

/// A run whose every step takes the whole data, in micro-batches of at most `tokens`.
struct WholeData : TinyRun {
  WholeData(const Dataset& given, int64_t tokens, const AdapterConfig& config = tiny_config()) : TinyRun(config, at::kDouble) {
    data = given;
    job.packing = {tokens, true, tokens};
    job.config.grad_accumulation = 100;
    job.config.max_steps = 3;
    job.audit = false;
  }
  Tensor trained() {
    go();
    return adapters->flat_param().clone();
  }
};

Dataset of_lengths(const std::vector<int64_t>& lengths) {
  Dataset data;
  for (const int64_t length : lengths) add_random(data, length, 2, static_cast<uint64_t>(length));
  return data;
}

Dataset copies(int64_t count) { return of_lengths(std::vector<int64_t>(static_cast<size_t>(count), 12)); }

TEST(Step, AveragesTheLossOverTheTokensOfAllMicroBatches) {
  const Dataset data = of_lengths({4, 30, 9, 17, 5});  // micro-batches with very different numbers of labels
  WholeData one(data, 100), many(data, 30);
  const Tensor want = one.trained();
  EXPECT_TRUE(close_to(many.trained(), want, 1e-6));
  for (size_t s = 0; s < one.losses.size(); ++s) EXPECT_NEAR(many.losses[s], one.losses[s], 1e-6);
}

TEST(Step, AveragesTheBalanceLossOverMicroBatches) {
  // Copies of one document: the balance loss of all together is that of each.
  const auto trained = [](double aux, int64_t tokens) {
    WholeData run(copies(4), tokens);
    run.job.config.router_aux_loss = aux;
    return run.trained();
  };
  const Tensor want = trained(2, 48);
  EXPECT_TRUE(close_to(trained(2, 12), want, 1e-6));
  EXPECT_FALSE(close_to(trained(0, 48), want, 1e-3));
}

TEST(Step, ClipsBeforeItMoves) {
  const auto moved = [](double max_norm, double* norm) {
    WholeData run(copies(2), 24);
    run.job.config.max_steps = 1;
    run.job.config.warmup_ratio = 0;
    run.job.config.schedule = "constant";
    run.job.config.lr = 0.5;
    run.job.config.beta1 = run.job.config.beta2 = 0;
    run.job.config.eps = 1;  // small gradients: the step is lr · gradient
    run.job.config.max_grad_norm = max_norm;
    run.job.progress = [&](const StepReport& step) { *norm = step.grad_norm; };
    const Tensor before = run.adapters->flat_param().clone();
    return (run.trained() - before).norm().item<double>();
  };
  double free_norm = 0, clipped_norm = 0;
  const double free = moved(0, &free_norm), clipped = moved(1e-3, &clipped_norm);
  ASSERT_GT(free, 1e-2);
  EXPECT_NEAR(clipped, 0.5e-3, 0.5e-5);
  EXPECT_EQ(clipped_norm, free_norm);  // what is reported is the norm before clipping
}

TEST(Step, DropoutDiffersBetweenMicroBatchesAndSteps) {
  const auto run_of = [](int64_t documents, double dropout) {
    AdapterConfig config = tiny_config();
    config.dropout = dropout;
    auto run = std::make_unique<WholeData>(copies(documents), 12, config);
    randomise(*run->adapters, 5);
    run->job.config.lr = 0;  // every step sees the same weights
    run->go();
    return run;
  };
  const auto plain = run_of(1, 0), plain_twice = run_of(2, 0), one = run_of(1, 0.5), twice = run_of(2, 0.5);
  EXPECT_TRUE(close_to(plain_twice->adapters->flat_grad(), plain->adapters->flat_grad(), 1e-9));
  EXPECT_NEAR(plain->losses[0], plain->losses[1], 1e-12);
  EXPECT_FALSE(close_to(twice->adapters->flat_grad(), one->adapters->flat_grad(), 1e-3));
  EXPECT_GT(std::abs(one->losses[0] - one->losses[1]), 1e-6);
}

}  // namespace
}  // namespace hellora::testing
