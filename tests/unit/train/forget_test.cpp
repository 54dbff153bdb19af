// The second stream of a training: its gradient, its bound over a whole step, its cursor, prototypes.
#include "hellora/train/forget.h"

#include "hellora/io/jsonl.h"
#include "tests/support/step.h"
#include "tests/support/tolerances.h"
#include "tests/unit/train/tiny.h"

namespace hellora::testing {
namespace {

AdapterConfig unlearning(const std::string& method, const std::vector<std::pair<std::string, std::string>>& settings = {}) {
  AdapterConfig config = tiny_config();
  config.method = method;
  Fields fields;
  fields.add(adapter_fields(&config));
  for (const auto& [key, value] : settings) fields.set_text("adapter." + method + "." + key, value, "test");
  return config;
}

/// A run with rows to forget: three batches an epoch, so that its cursor is elsewhere than that of the training rows.
struct ForgetRun : TinyRun {
  explicit ForgetRun(const AdapterConfig& config, at::ScalarType dtype = at::kFloat) : TinyRun(config, dtype) { job.forget = &rows; }
  void bind_job() {
    job.decoder = model.decoder.get();
    job.adapters = adapters.get();
    job.data = &data;
    model.decoder->bind(adapters.get());
  }
  Dataset rows = random_dataset(9, 12, 2, 900);
};

PackedBatch all_rows(const Dataset& data) {
  std::vector<int64_t> order;
  for (size_t i = 0; i < data.examples.size(); ++i) order.push_back(static_cast<int64_t>(i));
  return pack(data, order);
}

double mean_loss(const Decoder& decoder, const PackedBatch& packed) {
  return testing::mean_loss(decoder, {to_batch(packed), packed.targets});
}

TEST(Prototypes, DivergenceOfTheWorkedExample) {
  const at::TensorOptions fp64(at::kDouble);
  const Tensor kl_S = prototype_divergence(at::tensor({.5, .5, 0.}, fp64), at::tensor({1., 0., -1., .5, .5, 0.}, fp64).view({2, 3}));
  EXPECT_NEAR(kl_S[0].item<double>(), .182282, 5e-7);
  EXPECT_NEAR(kl_S[1].item<double>(), 0, 1e-15);
}

TEST(Prototypes, AreTheMeanOfTheRowsAndDoNotDependOnPacking) {
  ForgetRun run(unlearning("gs_lora_pp"), at::kDouble);
  run.bind_job();
  const at::NoGradGuard no_grad;
  Prototypes one(tiny_shape().hidden), other(tiny_shape().hidden);
  EXPECT_TRUE(one.take(*run.model.decoder, run.rows, {{0, 1, 2, 3}, {4, 5, 6, 7}}, 6, Prototypes::forget));
  EXPECT_TRUE(other.take(*run.model.decoder, run.rows, {{0}, {1}, {2}, {3}, {4}, {5}, {6}}, 6, Prototypes::forget));
  EXPECT_TRUE(close_to(one.values(), other.values(), kSameMath64));
  EXPECT_EQ(one.values()[0].abs().max().item<double>(), 0) << "the other stream's is not there yet";
  Tensor mean_D = at::zeros({tiny_shape().hidden}, at::TensorOptions(at::kDouble));
  for (int64_t i = 0; i < 6; ++i) {  // row by row, by the definition
    const PackedBatch packed = pack(run.rows, std::vector<int64_t>{i});
    const Tensor rows_N = supervised_rows(packed.targets).row_N;
    const Tensor normed_TD = run.model.decoder->final_hidden(run.model.decoder->hidden(to_batch(packed), {}));
    mean_D += normed_TD.index_select(0, rows_N).mean(0) / 6;
  }
  EXPECT_TRUE(close_to(one.values()[1], mean_D, kSameMath64));
  run.model.decoder->bind(nullptr);
}

/// The loss of a step as the method defines it, from nothing but forward passes.
struct WholeLoss {
  explicit WholeLoss(const std::vector<std::pair<std::string, std::string>>& settings = {})
      : run(unlearning("gs_lora_pp", settings), at::kDouble),
        prototypes(tiny_shape().hidden),
        train(all_rows(run.data)),
        forget(all_rows(run.rows)) {
    run.bind_job();
    prototypes.take(*run.model.decoder, run.data, {{0, 1, 2, 3, 4}}, 5, Prototypes::keep);
    prototypes.take(*run.model.decoder, run.rows, {{0, 1, 2, 3, 4}}, 5, Prototypes::forget);
    randomise(*run.adapters, 40);
    hooks = run.adapters->hooks();
  }
  ~WholeLoss() { run.model.decoder->bind(nullptr); }

  double drift(const PackedBatch& packed, Prototypes::Stream stream) const {
    const at::NoGradGuard no_grad;
    const Tensor h = run.model.decoder->hidden(to_batch(packed), {});
    return prototypes.drift(*run.model.decoder, h, packed, stream, 0, nullptr) / static_cast<double>(packed.documents.size());
  }

  /// β ReLU(bound − CE_forget) + p_f ReLU(bound_pro − drift_forget), whose weights are 0.5, 0.3; bounds as given.
  double of_forget(double bound, double drift_bound) const {
    return 0.5 * std::max(0.0, bound - mean_loss(*run.model.decoder, forget)) +
           0.3 * std::max(0.0, drift_bound - drift(forget, Prototypes::forget));
  }

  ForgetRun run;
  Prototypes prototypes;
  PackedBatch train, forget;
  std::unique_ptr<StepHooks> hooks;
};

TEST(Forget, TheGradientIsThatOfTheBoundedTerms) {
  for (const auto& [bound, drift_bound] : {std::pair{50.0, 40.0}, std::pair{50.0, 0.0}, std::pair{0.0, 40.0}}) {
    const auto text = [](double value) { return std::to_string(value); };
    WholeLoss loss({{"forget_weight", "0.5"}, {"bound", text(bound)}, {"forget_drift", "0.3"}, {"drift_bound", text(drift_bound)}});
    Forget forget(loss.run.job, &loss.prototypes);
    AdapterSet& adapters = *loss.run.adapters;
    StreamTerms measured;
    EXPECT_TRUE(forget.add_gradient({loss.forget}, *loss.hooks, 0, false, &measured));
    EXPECT_NEAR(measured.loss, mean_loss(*loss.run.model.decoder, loss.forget), 1e-10);
    EXPECT_NEAR(measured.drift, loss.drift(loss.forget, Prototypes::forget), 1e-10);
    const Tensor direction = random_tensor(adapters.flat_param().sizes(), 9), before = adapters.flat_param().detach().clone();
    const double got = (adapters.flat_grad() * direction).sum().item<double>();
    const auto at_offset = [&](double offset) {
      adapters.flat_param().detach().copy_(before + direction * offset);
      return loss.of_forget(bound, drift_bound);
    };
    const double slope = (at_offset(1e-6) - at_offset(-1e-6)) / 2e-6;
    EXPECT_GT(std::abs(slope), 1e-4);
    EXPECT_NEAR(got, slope, 10 * kFiniteDifference * std::abs(slope)) << bound << " " << drift_bound;
  }
}

TEST(Forget, BeyondTheBoundsThereIsNoGradient) {
  WholeLoss loss({{"bound", "0"}, {"drift_bound", "0"}});
  StreamTerms measured;
  EXPECT_TRUE(Forget(loss.run.job, &loss.prototypes).add_gradient({loss.forget}, *loss.hooks, 0, false, &measured));
  EXPECT_GT(measured.loss, 0);
  EXPECT_GT(measured.drift, 0);
  EXPECT_EQ(loss.run.adapters->flat_grad().abs().max().item<double>(), 0);
}

TEST(Prototypes, TheDriftOfTrainingRowsHasItsGradient) {
  WholeLoss loss;
  const Decoder& decoder = *loss.run.model.decoder;
  AdapterSet& adapters = *loss.run.adapters;
  Forward forward;
  forward.needed_N = supervised_rows(loss.train.targets).row_N;
  const Tensor h = decoder.hidden(to_batch(loss.train), forward);
  Tensor dh = at::zeros_like(h);
  loss.prototypes.drift(decoder, h, loss.train, Prototypes::keep, 1 / static_cast<double>(loss.train.documents.size()), &dh);
  torch::autograd::backward({h}, {dh});
  const Tensor direction = random_tensor(adapters.flat_param().sizes(), 9), before = adapters.flat_param().detach().clone();
  const double got = (adapters.flat_grad() * direction).sum().item<double>();
  const auto at_offset = [&](double offset) {
    adapters.flat_param().detach().copy_(before + direction * offset);
    return loss.drift(loss.train, Prototypes::keep);
  };
  const double slope = (at_offset(1e-6) - at_offset(-1e-6)) / 2e-6;
  EXPECT_NEAR(got, slope, 10 * kFiniteDifference * std::abs(slope));
}

TEST(Forget, TheBoundHoldsForTheStepAndNotForEachMicroBatch) {
  WholeLoss loss;
  std::vector<PackedBatch> parts;
  std::vector<double> losses;
  for (const int64_t begin : {0, 3, 6}) {
    parts.push_back(pack(loss.run.rows, std::vector<int64_t>{begin, begin + 1, begin + 2}));
    losses.push_back(mean_loss(*loss.run.model.decoder, parts.back()));
  }
  const double mean = (losses[0] + losses[1] + losses[2]) / 3, largest = *std::max_element(losses.begin(), losses.end());
  ASSERT_GT(largest, mean + 1e-3);
  // Between the mean and the largest: by micro-batch one of the three would have no gradient.
  const double bound = (mean + largest) / 2;
  const AdapterConfig config = unlearning("gs_lora", {{"forget_weight", "0.5"}, {"bound", std::to_string(bound)}});
  const auto gradient = [&](const std::vector<PackedBatch>& batches) {
    ForgetRun run(config, at::kDouble);
    run.bind_job();
    randomise(*run.adapters, 40);
    StreamTerms measured;
    EXPECT_TRUE(Forget(run.job, nullptr).add_gradient(batches, *run.adapters->hooks(), 0, false, &measured));
    run.model.decoder->bind(nullptr);
    return run.adapters->flat_grad().clone();
  };
  const Tensor whole = gradient({loss.forget});
  EXPECT_GT(whole.abs().max().item<double>(), 0);
  EXPECT_TRUE(close_to(gradient(parts), whole, 1e-10));
}

/// Parameters, moments, prototypes and cursors after a run that stopped at `step` and went on.
TEST(Forget, AResumedRunHasTheSameBytes) {
  for (const char* method : {"gs_lora", "gs_lora_pp"}) {
    AdapterConfig config = unlearning(method);
    config.dropout = 0.1;
    const TempFolder whole;
    ForgetRun run(config);
    run.job.run_dir = whole.path();
    run.job.config.save_steps = 1;
    run.go();
    for (const int64_t step : {1, 2, 4}) {
      const TempFolder folder;
      ForgetRun rest(config);
      rest.job.run_dir = folder.path();
      rest.job.resume = whole / ("checkpoint-00000" + std::to_string(step));
      rest.go();
      for (const char* file : {"state.safetensors", "state.json"})
        EXPECT_EQ(slurp(folder / "checkpoint-000006" / file), slurp(whole / "checkpoint-000006" / file)) << method << " " << step;
    }
  }
}

TEST(Forget, MetricsSayWhatIsForgotten) {
  const TempFolder folder;
  ForgetRun run(unlearning("gs_lora_pp"));
  run.job.run_dir = folder.path();
  run.go();
  int64_t lines = 0;
  for_each_json_line(folder / "metrics.jsonl", [&](int64_t, const Json& line) {
    ++lines;
    EXPECT_GT(line["forget_loss"].get<double>(), 0);
    EXPECT_GE(line["forget_drift"].get<double>(), 0);
    EXPECT_GE(line["drift"].get<double>(), 0);
    EXPECT_EQ(line["groups"], 2);
    EXPECT_EQ(line["small_groups"], 0);
  });
  EXPECT_EQ(lines, 6);
}

TEST(Forget, RaisesItsLossToTheBoundWhileTheOtherFalls) {
  ForgetRun run(unlearning("gs_lora", {{"forget_weight", "1"}, {"bound", "8"}}));
  run.data = random_dataset(4, 12);
  run.rows = random_dataset(4, 12, 2, 900);
  run.job.config.max_steps = 80;
  run.job.config.schedule = "constant";
  const TempFolder folder;
  run.job.run_dir = folder.path();
  run.go();
  std::vector<double> forgotten;
  for_each_json_line(folder / "metrics.jsonl", [&](int64_t, const Json& line) { forgotten.push_back(line["forget_loss"].get<double>()); });
  EXPECT_LT(run.losses.back(), 0.5 * run.losses.front());
  EXPECT_GT(forgotten.back(), 7);
  EXPECT_LT(forgotten.front(), 6.5);
}

TEST(Forget, ACheckpointWithoutItsCursorIsRefused) {
  const TempFolder folder;
  ForgetRun run(unlearning("gs_lora"));
  run.job.run_dir = folder.path();
  run.job.config.save_steps = 2;
  run.go();
  const Path checkpoint = folder / "checkpoint-000002";
  const auto refused = [&](const std::function<void(Json&)>& change) {
    Json json = parse_json(slurp(checkpoint / "state.json"), "test");
    EXPECT_TRUE(json.contains("forget"));
    const Json before = json;
    change(json);
    put_file(checkpoint / "state.json", json.dump());
    ForgetRun rest(unlearning("gs_lora"));
    rest.job.resume = checkpoint;
    const std::string message = error_of<FormatError>([&] { rest.go(); });
    put_file(checkpoint / "state.json", before.dump());
    return message;
  };
  EXPECT_CONTAINS(refused([](Json& json) { json.erase("forget"); }), "forget is missing");
  EXPECT_CONTAINS(refused([](Json& json) { json["forget"]["batch"] = 1; }), "forget: step is 2");
  EXPECT_CONTAINS(refused([](Json& json) { json["forget"]["batch"] = 99; }), "forget: batch is 99");
  EXPECT_CONTAINS(refused([](Json& json) { json["forget"]["more"] = 1; }), "more");
}

TEST(Forget, GivesTheSameBytesOnAnyNumberOfThreads) {
  for (const char* method : {"gs_lora", "gs_lora_pp"}) {
    SCOPED_TRACE(method);
    expect_same_for_any_threads([method] {
      AdapterConfig config = unlearning(method);
      config.dropout = 0.1;
      ForgetRun run(config);
      run.data = random_dataset(24, 100);
      run.rows = random_dataset(9, 100, 2, 900);
      run.job.packing = {600, true, 100};
      run.job.config.grad_accumulation = 2;
      run.job.config.max_steps = 2;
      run.go();
      return std::vector<Tensor>{run.adapters->flat_param().clone(), run.adapters->flat_grad().clone()};
    });
  }
}

}  // namespace
}  // namespace hellora::testing
