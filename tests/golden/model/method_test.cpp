// The methods beside LoRA against PEFT's own: logits, loss, gradients, AdamW steps with the methods' hooks, merged weights.
#include <map>

#include "hellora/adapters/config.h"
#include "hellora/adapters/step_hooks.h"
#include "hellora/core/error.h"
#include "hellora/model/sites.h"
#include "hellora/model/tensor_io.h"
#include "hellora/train/optimizer.h"
#include "tests/golden/model/golden.h"
#include "tests/support/frozen.h"
#include "tests/support/tensors.h"

namespace hellora::testing {
namespace {

const Path kFolder = "tests/golden/fixtures/llama/base/methods";

/// A method's file, in fp64.
class MethodFile {
 public:
  explicit MethodFile(const std::string& method) : file_(kFolder / (method + ".safetensors")) {}
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  Tensor get(const std::string& name) const {
    const TensorInfo* info = file_.find(name);
    if (info == nullptr) throw FormatError(file_.path().string() + ": golden tensor " + name + " is missing");
    return read_tensor(*info, file_.bytes(*info), at::kDouble);
  }
  double number(const std::string& name) const { return get(name).item<double>(); }
  std::vector<std::string> names(const std::string& prefix) const {
    std::vector<std::string> out;
    for (const TensorInfo& info : file_.tensors()) {
      if (info.name.starts_with(prefix)) out.push_back(info.name.substr(prefix.size()));
    }
    return out;
  }

 private:
  SafetensorsFile file_;
};

Json manifest() {
  const std::string where = (kFolder / "manifest.json").string();
  return parse_json(read_text(where), where);
}

/// "0.357…": a share of `all` steps that is rounded down to `steps`.
std::string share(int64_t steps, int64_t all) { return std::to_string((static_cast<double>(steps) + 0.5) / static_cast<double>(all)); }

AdapterConfig config_of(const std::string& method, bool precondition) {
  const Json facts = manifest();
  AdapterConfig config;
  config.method = method;
  config.rank = facts["rank"][method].get<int64_t>();
  config.alpha = facts["alpha"].get<double>();
  config.targets = {"q", "k", "v", "o", "dense"};
  Fields fields;
  fields.add(adapter_fields(&config));
  const auto set = [&](const std::string& key, const std::string& value) { fields.set_text("adapter." + key, value, "test"); };
  const Json& ada = facts["adalora"];
  const auto steps = ada["total_step"].get<int64_t>();
  set("adalora.target_rank", ada["target_r"].dump());
  set("adalora.interval", ada["deltaT"].dump());
  set("adalora.warmup", share(ada["tinit"].get<int64_t>(), steps));
  set("adalora.finish", share(ada["tfinal"].get<int64_t>(), steps));
  set("adalora.beta1", ada["beta1"].dump());
  set("adalora.beta2", ada["beta2"].dump());
  set("adalora.orthogonality", ada["orth_reg_weight"].dump());
  set("lora_fa.precondition", precondition ? "true" : "false");
  set("pissa.iterations", "0");
  return config;
}

TrainConfig train_config() {
  const Json facts = manifest(), &adamw = facts["adamw"];
  TrainConfig config;
  config.lr = adamw["lr"].get<double>();
  config.weight_decay = adamw["weight_decay"].get<double>();
  config.eps = adamw["eps"].get<double>();
  config.beta1 = adamw["betas"][0].get<double>();
  config.beta2 = adamw["betas"][1].get<double>();
  return config;
}

/// "A" where `name` is `path` + ".pissa_A0", or nothing.
std::string pissa_start(const std::string& name) {
  const size_t at = name.rfind(".pissa_");
  return at == std::string::npos ? "" : name.substr(0, at) + ".lora_" + name[at + 7] + ".weight";
}

/// PEFT's value of a parameter. Its banks are as long as the longest sides of all maps, hellora's as what the maps take of them.
Tensor golden_value(const MethodFile& golden, const ParamSpec& spec) {
  const std::string start = pissa_start(spec.name);
  Tensor value = golden.get(start.empty() ? "param." + spec.name : "start." + start);
  if (spec.place) return value;
  for (size_t d = 0; d < spec.shape.size(); ++d) value = value.narrow(static_cast<int64_t>(d), 0, spec.shape[d]);
  return value;
}

/// The adapter of a method on the tiny model, with the file's values or with its own.
Subject subject_of(const std::string& method, bool precondition = true, bool stored = true) {
  Subject subject = load_base(kFolder, at::kDouble);
  const ModelShape& shape = subject.decoder->shape();
  const AdapterConfig config = config_of(method, precondition);
  const BaseWeight base = [&](const std::string& name) { return base_weight(*subject.checkpoint, shape, name).to(at::kDouble); };
  subject.adapters = std::make_unique<AdapterSet>(find_sites(shape, config, all_experts(shape)), config, 1, base, at::kDouble);
  if (stored) {
    const MethodFile golden(method);
    for (size_t p = 0; p < subject.adapters->specs().size(); ++p)
      subject.adapters->param(p).detach().copy_(golden_value(golden, subject.adapters->specs()[p]));
  }
  subject.decoder->bind(subject.adapters.get());
  return subject;
}

Tensor sums_of(const Tensor& tensor) {
  const Tensor flat = tensor.detach().flatten(), weights = (at::arange(flat.numel(), flat.options()) + 0.5).cos();
  return at::stack({flat.sum(), flat.abs().sum(), (flat * weights).sum()});
}

/// Rows of sums_of: off by at most `bound` times the sum of sizes.
::testing::AssertionResult sums_close(const Tensor& got, const Tensor& want, double bound) {
  if (got.sizes() != want.sizes()) return ::testing::AssertionFailure() << "shape " << got.sizes() << ", expected " << want.sizes();
  const Tensor error = (got - want).abs() / want.narrow(-1, 1, 1).clamp_min(1e-300);
  const double largest = error.max().item<double>();
  if (largest <= bound) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "sums off by " << largest << " of the sum of sizes in row "
                                       << error.argmax().item<int64_t>() / error.size(-1) << ", allowed " << bound;
}

/// Tensors by name against those that the file holds whole, and all of them against its sums.
void compare(const MethodFile& golden, const std::string& prefix, const std::map<std::string, Tensor>& got, double bound) {
  std::vector<Tensor> sums;
  for (const auto& [name, tensor] : got) sums.push_back(sums_of(tensor));
  EXPECT_TRUE(sums_close(at::stack(sums), golden.get("sums." + prefix), bound)) << prefix;
  for (const std::string& name : golden.names(prefix + ".")) {
    const auto it = got.find(name);
    ASSERT_NE(it, got.end()) << name;
    EXPECT_TRUE(close_to(it->second, golden.get(prefix + "." + name), bound)) << prefix << " " << name;
  }
}

/// Trained parameters, or what is made of them, by name.
template <class Make>
std::map<std::string, Tensor> trained(const AdapterSet& adapters, const Make& make) {
  std::map<std::string, Tensor> out;
  for (size_t p = 0; p < adapters.specs().size(); ++p) {
    if (adapters.trains(p)) out.emplace(adapters.specs()[p].name, make(p));
  }
  return out;
}

std::map<std::string, Tensor> grads(const AdapterSet& adapters) {
  return trained(adapters, [&](size_t p) { return adapters.grad(p); });
}

std::map<std::string, Tensor> values(const AdapterSet& adapters) {
  return trained(adapters, [&](size_t p) { return adapters.param(p); });
}

/// Steps of a training as the trainer takes them, without clipping.
class Steps {
 public:
  explicit Steps(const Subject& subject) : subject_(subject), config_(train_config()), optimizer_(*subject.adapters, config_) {
    hooks_ = subject.adapters->hooks();
  }

  StepHooks& hooks() { return *hooks_; }
  double loss() const { return loss_; }
  double extra() const { return extra_; }

  void backward() {
    optimizer_.zero_grad();
    loss_ = backward_step(*subject_.decoder, batch_.train);
    extra_ = hooks_->regularise(0);
    hooks_->after_backward([this] {
      optimizer_.zero_grad();
      backward_step(*subject_.decoder, batch_.train);
    });
  }

  void step(int64_t step, int64_t steps) {
    backward();
    optimizer_.step(config_.lr);
    hooks_->after_step(step, steps, config_.lr);
  }

 private:
  const Subject& subject_;
  GoldenBatch batch_ = golden_batch(kFolder, at::kDouble);
  TrainConfig config_;
  AdamW optimizer_;
  std::unique_ptr<StepHooks> hooks_;
  double loss_ = 0, extra_ = 0;
};

constexpr Tolerance kBound = kGolden64;

class MethodValues : public ::testing::TestWithParam<std::string> {};

TEST_P(MethodValues, Logits) {
  const MethodFile golden(GetParam());
  const GoldenBatch batch = golden_batch(kFolder, at::kDouble);
  const Subject subject = subject_of(GetParam());
  const Tensor logits = all_logits(*subject.decoder, batch.train.batch), places = golden.get("logit_places").to(at::kLong);
  EXPECT_TRUE(sums_close(sums_of(logits).unsqueeze(0), golden.get("sums.logits"), kBound.value));
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < places.size(0); ++i) {
    const auto row = places[i][0].item<int64_t>(), position = places[i][1].item<int64_t>();
    rows.push_back(logits[(row == 0 ? 0 : batch.lengths[0]) + position]);
  }
  EXPECT_TRUE(close_to(at::stack(rows), golden.get("logits"), kBound.value));
  const GoldenFile base(model_folder(kFolder), at::kDouble);
  EXPECT_FALSE(close_to(logits, batch.rows(base.get("logits")), 1e-2)) << "the adapter must change the logits";
}

TEST_P(MethodValues, LossAndGradients) {
  const MethodFile golden(GetParam());
  const Subject subject = subject_of(GetParam(), false);
  Steps steps(subject);
  steps.backward();
  EXPECT_NEAR(steps.loss(), golden.number("loss"), kBound.value * golden.number("loss"));
  EXPECT_NEAR(steps.extra(), golden.number("extra"), kBound.value * golden.number("loss"));
  compare(golden, "grad", grads(*subject.adapters), kBound.gradient);
}

TEST_P(MethodValues, ThreeSteps) {
  const MethodFile golden(GetParam());
  const Subject subject = subject_of(GetParam(), false);
  const Json facts = manifest();
  const auto all = GetParam() == "adalora" ? facts["adalora"]["total_step"].get<int64_t>() : facts["adamw"]["steps"].get<int64_t>();
  Steps steps(subject);
  for (int64_t step = 0; step < 3; ++step) steps.step(step, all);
  compare(golden, "step3", values(*subject.adapters), kBound.trained);
}

TEST_P(MethodValues, MergedWeights) {
  const MethodFile golden(GetParam());
  const Subject subject = subject_of(GetParam());
  size_t compared = 0;
  for (const Site& site : subject.adapters->sites()) {
    for (size_t m = 0; m < site.members.size(); ++m) {
      const std::string name = "merged." + site.members[m].path;
      if (!golden.has(name)) continue;
      const Tensor want = golden.get(name), weight = frozen_weight(subject.decoder->weights(), site, m);
      const Adapter& adapter = *subject.adapters->find(site.layer, site.slot);
      const int64_t first = want.size(0), rest = weight.size(0) - first;
      const Tensor top = adapter.adapted_rows(weight.narrow(0, 0, first), 0, m);
      const Tensor all = at::cat({top, adapter.adapted_rows(weight.narrow(0, first, rest), first, m)});
      EXPECT_TRUE(close_to(top, want, kBound.value)) << name;
      EXPECT_TRUE(sums_close(sums_of(all).unsqueeze(0), golden.get("sums." + name), kBound.value)) << name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, golden.names("merged.").size());
}

INSTANTIATE_TEST_SUITE_P(Golden, MethodValues, ::testing::Values("rslora", "dora", "pissa", "lora_fa", "vera", "randlora", "adalora"),
                         [](const auto& one) { return one.param; });

TEST(LoraFaGolden, PreconditionedGradientAndSteps) {
  const MethodFile golden("lora_fa");
  const Subject subject = subject_of("lora_fa", true);
  Steps steps(subject);
  steps.backward();
  compare(golden, "precondition.grad", grads(*subject.adapters), kBound.gradient);
  for (int64_t step = 0; step < 3; ++step) steps.step(step, 3);
  compare(golden, "precondition.step3", values(*subject.adapters), kBound.trained);
}

/// PEFT's B A of the singular vectors, and A Aᵀ, which says how the pair shares the singular values; signs are free.
TEST(PissaGolden, StartsAsPeft) {
  const MethodFile golden("pissa");
  const Subject subject = subject_of("pissa", true, false);
  const AdapterSet& adapters = *subject.adapters;
  for (const ParamSpec& spec : adapters.specs()) {
    const std::string name = spec.name;
    if (!name.ends_with(".lora_A.weight")) continue;
    const std::string b = name.substr(0, name.size() - 8) + "B.weight";
    const Tensor a_RI = golden.get("start." + name), b_OR = golden.get("start." + b);
    EXPECT_TRUE(close_to(at::matmul(adapters.param(b), adapters.param(name)), at::matmul(b_OR, a_RI), kBound.value)) << name;
    const Tensor gram_RR = at::matmul(adapters.param(name), adapters.param(name).t());
    EXPECT_TRUE(close_to(gram_RR, at::matmul(a_RI, a_RI.t()), kBound.value)) << name;
  }
}

/// Every step of PEFT's schedule with t = 1 … T: warm-up, cuts, the final choice, the steps after it.
TEST(AdaLoraGolden, ImportanceAndMasksOfEveryStep) {
  const MethodFile golden("adalora");
  const Subject subject = subject_of("adalora");
  const AdapterSet& adapters = *subject.adapters;
  const Json facts = manifest(), &settings = facts["adalora"];
  const auto all = settings["total_step"].get<int64_t>();
  Steps steps(subject);
  for (int64_t t = 1; t <= all; ++t) {
    steps.step(t - 1, all);
    for (const auto& [kind, state] : steps.hooks().state()) {
      const std::string name = "sums." + kind + std::to_string(t);
      if (!golden.has(name)) continue;
      std::vector<Tensor> sums;
      for (const auto& [_, one] : values(adapters)) sums.push_back(sums_of(state.narrow(0, one.storage_offset(), one.numel())));
      EXPECT_TRUE(sums_close(at::stack(sums), golden.get(name), kBound.trained)) << kind << " of step " << t;
    }
    std::vector<Tensor> masks;
    for (const auto& [name, value] : values(adapters)) {
      if (name.ends_with("lora_E")) masks.push_back((value.detach().flatten() != 0).to(at::kDouble));
    }
    const Tensor mask = at::stack(masks), want = golden.get("mask" + std::to_string(t));
    EXPECT_TRUE(at::equal(mask, want)) << (mask != want).sum().item<int64_t>() << " ranks chosen otherwise in step " << t << ", kept "
                                       << mask.sum().item<int64_t>() << ", PEFT " << want.sum().item<int64_t>();
  }
  compare(golden, "step" + std::to_string(all), values(adapters), kBound.trained);
}

}  // namespace
}  // namespace hellora::testing
