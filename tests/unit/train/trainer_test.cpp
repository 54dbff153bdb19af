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

/// Adam's first step is the learning rate in each direction, whatever the gradient's size: moments of the phase before would show.
TEST(Trainer, APhaseBeginsWithFreshMoments) {
  AdapterConfig config = tiny_config();
  config.method = "lori";  // 5 dense steps, then B begins at zero again
  Fields fields;
  fields.add(adapter_fields(&config));
  fields.set_text("adapter.lori.dense_share", "0.84", "test");
  fields.set_text("adapter.lori.sparsity", "0.5", "test");
  TinyRun run(config);
  run.job.config.schedule = "constant";
  run.job.config.warmup_ratio = 0;
  run.go();
  const Tensor moved = run.adapters->flat_param().detach().abs();
  const Tensor learned = moved.masked_select(moved > 0);
  EXPECT_GT(learned.numel(), 100);
  EXPECT_TRUE(close_to(learned.max(), at::full({}, 1e-2, learned.options()), 1e-4));
  EXPECT_TRUE(close_to(learned.median(), at::full({}, 1e-2, learned.options()), 1e-3));
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

/// Evaluation losses by step, then 9 for ever.
std::function<LossSum(const Decoder&)> losses_of(std::vector<double> losses, size_t* asked) {
  return [losses, asked](const Decoder&) {
    const size_t i = (*asked)++;
    return LossSum{i < losses.size() ? losses[i] : 9.0, 1};
  };
}

TEST(Trainer, KeepsTheBestAndGoesBackToIt) {
  const TempFolder folder;
  TinyRun run;
  size_t asked = 0;
  run.job.run_dir = folder.path();
  run.job.config.eval_steps = 1;
  run.job.config.keep_best = true;
  run.job.config.save_total_limit = 1;
  run.job.evaluate = losses_of({5, 3, 4, 3}, &asked);  // a tie is no better
  run.job.evaluation_data = "rows";
  std::vector<Tensor> after;
  run.job.progress = [&](const StepReport&) { after.push_back(run.adapters->flat_param().clone()); };
  run.job.decoder = run.model.decoder.get();
  run.job.adapters = run.adapters.get();
  run.job.data = &run.data;
  run.model.decoder->bind(run.adapters.get());
  Trainer trainer(run.job);
  const TrainResult result = trainer.run();
  EXPECT_EQ(asked, 5U);  // the last step's evaluation belongs to the caller
  EXPECT_EQ(result.evaluations.best_step, 2);
  EXPECT_EQ(result.evaluations.best_loss, 3);
  EXPECT_EQ(result.evaluations.stale, 3);
  const auto kept = list_checkpoints(folder.path());
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept.begin()->first, 2);
  EXPECT_EQ(kept.rbegin()->first, 6);
  EXPECT_TRUE(same_bytes(run.adapters->flat_param(), after[5]));
  const TrainResult back = trainer.go_back(kept.at(2));
  EXPECT_TRUE(same_bytes(run.adapters->flat_param(), after[1]));
  EXPECT_EQ(back.steps, 2);
  run.model.decoder->bind(nullptr);
}

TEST(Trainer, StopsEarlyAndStaysStopped) {
  const TempFolder folder;
  size_t asked = 0;
  const auto prepared = [&](int64_t patience) {
    auto run = std::make_unique<TinyRun>();
    run->job.run_dir = folder.path();
    run->job.config.eval_steps = 1;
    run->job.config.early_stop = patience;
    run->job.evaluation_data = "rows";
    run->job.evaluate = losses_of({5, 3, 4, 4, 1}, &asked);
    return run;
  };
  const TrainResult first = prepared(2)->go();
  EXPECT_TRUE(first.stopped_early);
  EXPECT_EQ(first.steps, 4);
  EXPECT_EQ(find_checkpoint(folder.path()), folder / "checkpoint-000004");
  const auto again = prepared(2), longer = prepared(3);
  again->job.resume = longer->job.resume = folder / "checkpoint-000004";
  EXPECT_EQ(again->go().steps, 4);
  EXPECT_EQ(asked, 4U);
  const TrainResult rest = longer->go();
  EXPECT_EQ(rest.steps, 6);
  EXPECT_EQ(rest.evaluations.best_step, 5);
}

TEST(Trainer, AnEvaluationThatASignalCutShortIsMadeUpFor) {
  const auto prepared = [](const TempFolder& folder) {
    auto run = std::make_unique<TinyRun>();
    run->job.run_dir = folder.path();
    run->job.config.eval_steps = 2;
    run->job.config.save_steps = 2;
    run->job.evaluation_data = "rows";
    run->job.evaluate = [](const Decoder& decoder) { return LossSum{static_cast<double>(decoder.shape().layers), 1}; };
    return run;
  };
  const TempFolder whole, folder;
  prepared(whole)->go();
  const auto stopped = prepared(folder);
  stopped->job.evaluate = [](const Decoder&) {
    std::raise(SIGTERM);
    return LossSum{77, 1};
  };
  EXPECT_CONTAINS(error_of<Interrupted>([&] { stopped->go(); }), "stopped after step 2");
  const auto rest = prepared(folder);
  rest->job.resume = find_checkpoint(folder.path());
  rest->go();
  for (const char* name : {"checkpoint-000002", "checkpoint-000004", "checkpoint-000006"}) {
    EXPECT_EQ(slurp(folder / name / "state.json"), slurp(whole / name / "state.json"));
    EXPECT_EQ(slurp(folder / name / "state.safetensors"), slurp(whole / name / "state.safetensors"));
  }
  std::vector<std::string> lines;
  for (const TempFolder* one : {&whole, &folder}) {
    std::string text;
    for_each_json_line(*one / "metrics.jsonl", [&](int64_t, const Json& line) {
      text += line["step"].dump() + (line.contains("eval_loss") ? "e" + line["eval_loss"].dump() : "") + " ";
    });
    lines.push_back(text);
  }
  EXPECT_EQ(lines[0], lines[1]);
}

TEST(Trainer, AFinishedRunMayBecomeLonger) {
  const auto trained = [](const TempFolder& folder, int64_t steps, const Path& resume, const std::string& schedule) {
    TinyRun run;
    run.job.run_dir = folder.path();
    run.job.config.schedule = schedule;
    run.job.config.warmup_ratio = 0;
    run.job.config.max_steps = steps;
    run.job.resume = resume;
    run.go();
    return run.adapters->flat_param().clone();
  };
  const TempFolder whole, folder;
  const Tensor wanted = trained(whole, 6, {}, "constant");
  trained(folder, 4, {}, "constant");
  EXPECT_TRUE(same_bytes(trained(folder, 6, folder / "checkpoint-000004", "constant"), wanted));
  EXPECT_EQ(slurp(folder / "checkpoint-000006" / "state.safetensors"), slurp(whole / "checkpoint-000006" / "state.safetensors"));
  EXPECT_EQ(slurp(folder / "checkpoint-000006" / "state.json"), slurp(whole / "checkpoint-000006" / "state.json"));
  const std::string error = error_of<StateError>([&] { trained(folder, 5, folder / "checkpoint-000006", "constant"); });
  EXPECT_CONTAINS(error, "the run has 6 steps (train.max_steps is 6, train.epochs is 1.0) in the checkpoint, now 5 steps");
}

/// Sends itself a signal after the second step.
class StopSignal : public ::testing::TestWithParam<int> {};

TEST_P(StopSignal, SavesAndAnIgnoredOneDoesNot) {
  const auto run = [&] {
    TinyRun one;
    one.job.progress = [&](const StepReport& step) {
      if (step.step == 2) std::raise(GetParam());
    };
    return one.go();
  };
  EXPECT_CONTAINS(error_of<Interrupted>(run), "stopped after step 2");
  const auto before = std::signal(GetParam(), SIG_IGN);  // as nohup does
  EXPECT_EQ(run().steps, 6);
  EXPECT_EQ(std::signal(GetParam(), before), SIG_IGN);  // and it stays so
}

INSTANTIATE_TEST_SUITE_P(All, StopSignal, ::testing::Values(SIGINT, SIGTERM, SIGHUP, SIGQUIT));

}  // namespace
}  // namespace hellora::testing
