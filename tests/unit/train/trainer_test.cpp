// The loop: accumulation, determinism, learning, non-finite steps, interruption.
#include <csignal>

#include "hellora/core/error.h"
#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

TEST(Trainer, AccumulatedMicroBatchesEqualOneLargeBatch) {
  std::vector<Tensor> results;
  std::vector<std::vector<double>> losses;
  for (const int64_t accumulation : {1, 2, 4}) {
    TinyRun run(tiny_config(), at::kDouble);
    run.job.config.grad_accumulation = accumulation;
    run.job.packing.tokens = 96 / accumulation;  // all examples have 12 tokens: the same 8 in every step
    run.go();
    results.push_back(run.adapters->flat_param().clone());
    losses.push_back(run.losses);
  }
  for (size_t i = 1; i < results.size(); ++i) {
    EXPECT_TRUE(close_to(results[i], results[0], 1e-6));
    for (size_t s = 0; s < losses[0].size(); ++s) EXPECT_NEAR(losses[i][s], losses[0][s], 1e-6);
  }
}

/// Large enough for torch to split its element-wise work (32,768 elements) among threads.
ModelShape threaded_shape() {
  ModelShape shape = tiny_shape();
  shape.vocab = 300;
  shape.hidden = 64;
  shape.head_dim = 16;
  shape.expert_width = 48;
  return shape;
}

TEST(Trainer, GivesTheSameBytesOnAnyNumberOfThreads) {
  std::vector<double> first;
  expect_same_for_any_threads([&] {
    AdapterConfig config = tiny_config({"q", "k", "v", "o", "router", "gate", "up", "down", "embed", "lm_head"});
    config.dropout = 0.1;
    TinyRun run(config, at::kFloat, threaded_shape());
    run.data = random_dataset(24, 100);
    run.job.packing = {600, true, 100};
    run.job.config.router_aux_loss = 0.01;
    run.job.config.grad_accumulation = 2;
    run.job.config.max_steps = 2;
    run.go();
    if (first.empty()) first = run.losses;
    EXPECT_EQ(run.losses, first);
    return std::vector<Tensor>{run.adapters->flat_param().clone(), run.adapters->flat_grad().clone()};
  });
  EXPECT_EQ(first.size(), 2U);
}

/// Dropout, the balance loss and the audit see the same as without; bf16 keeps and fp32 ones.
TEST(Trainer, GradientCheckpointingGivesTheSameBytes) {
  for (const at::ScalarType saved : {at::kFloat, at::kBFloat16}) {
    AdapterConfig config = tiny_config();
    config.dropout = 0.1;
    const auto run = [&](bool checkpointing) {
      auto one = std::make_unique<TinyRun>(config);
      one->model.decoder =
          load_decoder(Checkpoint(one->model.folder.path()), {at::kFloat, at::kFloat}, Compute{kernels::Math::full, saved});
      one->job.config.router_aux_loss = 0.01;
      one->job.config.gradient_checkpointing = checkpointing;
      EXPECT_TRUE(one->go().audit_passed);
      return one;
    };
    const auto plain = run(false), again = run(true);
    EXPECT_EQ(plain->losses, again->losses);
    EXPECT_TRUE(same_bytes(plain->adapters->flat_param(), again->adapters->flat_param()));
  }
}

TEST(Trainer, LearnsWhatItIsShown) {
  TinyRun run;
  run.data = random_dataset(4, 12);
  run.job.config.max_steps = 60;
  run.job.config.schedule = "constant";
  run.go();
  EXPECT_LT(run.losses.back(), 0.5 * run.losses.front());
}

TEST(Trainer, SeedAndPhaseMatter) {
  const auto trained = [](uint64_t seed, int64_t phase, double dropout) {
    AdapterConfig config = tiny_config();
    config.dropout = dropout;
    TinyRun run(config);
    run.job.seed = seed;
    run.job.phase = phase;
    run.go();
    return run.adapters->flat_param().clone();
  };
  EXPECT_TRUE(same_bytes(trained(1, 1, 0), trained(1, 0, 0)));  // without dropout a phase draws nothing
  EXPECT_FALSE(same_bytes(trained(1, 1, 0.2), trained(1, 0, 0.2)));
  EXPECT_FALSE(same_bytes(trained(1, 1, 0), trained(2, 1, 0)));  // another order of examples
}

TEST(Trainer, ANonFiniteStepIsRefusedAndNotApplied) {
  TinyRun run;
  const TempFolder folder;
  run.job.run_dir = folder.path();
  run.job.config.save_steps = 1;
  run.job.config.max_grad_norm = 0;
  run.job.config.lr = 1e30;
  run.job.config.schedule = "constant";
  Tensor last = run.adapters->flat_param().clone();
  run.job.progress = [&](const StepReport&) { last = run.adapters->flat_param().clone(); };
  const std::string error = error_of<CheckFailed>([&] { run.go(); });
  EXPECT_CONTAINS(error, "is not finite; the step was not applied");
  ASSERT_FALSE(run.losses.empty());
  const std::string name = "checkpoint-00000" + std::to_string(run.losses.size());
  EXPECT_CONTAINS(error, "last good checkpoint: " + (folder / name).string());
  EXPECT_TRUE(same_bytes(run.adapters->flat_param(), last));
}

TEST(Trainer, ANonFiniteFirstStepLeavesEveryBit) {
  TinyRun run;
  run.adapters->param(0).detach().fill_(std::numeric_limits<float>::infinity());
  const Tensor before = run.adapters->flat_param().clone();
  EXPECT_CONTAINS(error_of<CheckFailed>([&] { run.go(); }), "step 1: ");
  EXPECT_TRUE(same_bytes(run.adapters->flat_param(), before));
}

TEST(Trainer, StopsOnInterruptAndContinuesWithTheSameBytes) {
  TinyRun whole;
  whole.go();
  const TempFolder folder;
  TinyRun stopped;
  stopped.job.run_dir = folder.path();
  stopped.job.progress = [](const StepReport& step) {
    if (step.step == 2) std::raise(SIGINT);
  };
  EXPECT_CONTAINS(error_of<Interrupted>([&] { stopped.go(); }), "stopped after step 2");
  TinyRun rest;
  rest.job.resume = find_checkpoint(folder.path());
  EXPECT_EQ(rest.job.resume, folder / "checkpoint-000002");
  EXPECT_EQ(rest.go().steps, 6);
  EXPECT_TRUE(same_bytes(rest.adapters->flat_param(), whole.adapters->flat_param()));
}

TEST(Trainer, EvaluatesBetweenStepsAndReportsProgress) {
  TinyRun run;
  const TempFolder folder;
  run.job.run_dir = folder.path();
  run.job.config.eval_steps = 2;
  run.job.evaluate = [](const Decoder&) { return LossSum{6, 4}; };
  std::vector<int64_t> steps;
  run.job.progress = [&](const StepReport& step) { steps.push_back(step.step * 100 + step.total); };
  const TrainResult result = run.go();
  EXPECT_EQ(steps, (std::vector<int64_t>{106, 206, 306, 406, 506, 606}));
  EXPECT_EQ(result.tokens, 6 * 48);
  std::vector<int64_t> evaluated;
  for_each_json_line(folder / "metrics.jsonl", [&](int64_t, const Json& line) {
    if (!line.contains("eval_loss")) return;
    EXPECT_EQ(line["eval_loss"], 1.5);
    evaluated.push_back(line["step"].get<int64_t>());
  });
  EXPECT_EQ(evaluated, (std::vector<int64_t>{2, 4}));  // the last step's evaluation belongs to the caller
}

}  // namespace
}  // namespace hellora::testing
