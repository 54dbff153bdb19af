// Adapter methods: every row of the table on a tiny model.
#include <filesystem>
#include <set>

#include "hellora/model/adapter_dir.h"
#include "hellora/model/count.h"
#include "hellora/model/model_dir.h"
#include "tests/conformance/adapters/subject.h"
#include "tests/support/frozen.h"
#include "tests/support/plain_adapter.h"
#include "tests/support/tolerances.h"

namespace hellora::testing {
namespace {

namespace fs = std::filesystem;

class MethodRow : public ::testing::TestWithParam<TableRow<Method>> {
 protected:
  static const Method& method() { return *GetParam(); }
};

TEST_P(MethodRow, IsFoundByItsName) {
  EXPECT_EQ(&find_method(std::string(method().name)), &method());
  EXPECT_FALSE(method().summary.empty());
  EXPECT_FALSE(method().source.empty());
  EXPECT_FALSE(targets_of(method()).empty());
}

TEST_P(MethodRow, DeclaresWhatItCountsUnderDistinctNames) {
  for (const Plan& plan : {tiny_plan(), late_plan(method()), all_experts(tiny_shape())}) {
    const Subject subject(method(), at::kFloat, plan);
    std::set<std::string> names;
    std::set<std::pair<size_t, size_t>> members;
    int64_t elements = 0;
    for (size_t p = 0; p < subject.adapters.specs().size(); ++p) {
      const ParamSpec& spec = subject.adapters.specs()[p];
      if (spec.place) {
        const Site& site = subject.adapters.sites().at(spec.place->site);
        EXPECT_TRUE(spec.name.starts_with(site.members.at(spec.place->member).path + ".")) << spec.name;
        members.emplace(spec.place->site, spec.place->member);
      }
      EXPECT_TRUE(names.insert(spec.name).second) << spec.name << " is there twice";
      EXPECT_EQ(subject.adapters.param(p).sizes().vec(), spec.shape) << spec.name;
      EXPECT_EQ(subject.adapters.param(p).numel(), spec.count());
      elements += spec.use == Use::trained ? spec.count() : 0;
    }
    size_t all = 0;
    for (const Site& site : subject.adapters.sites()) all += site.members.size();
    EXPECT_EQ(members.size(), all) << "a member without a parameter";
    EXPECT_EQ(subject.adapters.trainable(), elements);
    EXPECT_EQ(count_elements(tiny_shape(), subject.config, plan).trained, elements);
    EXPECT_EQ(count_trainable(tiny_shape(), subject.config, plan),
              method().learning != nullptr ? method().learning(elements, subject.config) : elements);
  }
}

TEST_P(MethodRow, LiesAlignedInTheFlatState) {
  const Subject subject(method());
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (size_t p = 0; p < subject.adapters.specs().size(); ++p) {
    const Tensor& param = subject.adapters.param(p);
    const int64_t begin = param.storage_offset(), end = begin + param.numel();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(param.const_data_ptr()) % 64, 0U) << subject.adapters.specs()[p].name;
    EXPECT_TRUE(param.is_contiguous());
    EXPECT_EQ(param.requires_grad(), subject.adapters.trains(p));
    if (!subject.adapters.trains(p)) continue;
    EXPECT_EQ(subject.adapters.grad(p).storage_offset(), begin);
    for (const ParamRange& one : subject.adapters.ranges()) {
      if (one.begin <= begin && begin < one.end) {
        EXPECT_TRUE(end <= one.end && one.decay == subject.adapters.specs()[p].decay) << subject.adapters.specs()[p].name;
      }
    }
    ranges.emplace_back(begin, end);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) EXPECT_LE(ranges[i - 1].second, ranges[i].first);
  EXPECT_LE(ranges.back().second, subject.adapters.flat_param().numel());
}

TEST_P(MethodRow, StartsAsTheBaseBitForBit) {
  for (const Plan& plan : {tiny_plan(), all_experts(tiny_shape())}) {
    Subject subject(method(), at::kFloat, plan);
    const Batch batch = make_batch(tiny_documents());
    const Tensor base = all_logits(subject.decoder(), batch);
    const Tensor start = subject.adapted_logits(batch);
    if (method().starts_as_base) {
      EXPECT_TRUE(same_bytes(start, base));
    } else {
      EXPECT_TRUE(close_to(start, base, 1e-3)) << "a start that rounding or a small factor moves";
    }
    randomise(subject.adapters, 3);
    EXPECT_FALSE(close_to(subject.adapted_logits(batch), base, 1e-3));
    subject.decoder().bind(nullptr);
    EXPECT_TRUE(same_bytes(all_logits(subject.decoder(), batch), base)) << "the base was touched";
    EXPECT_TRUE(
        same_bytes(Subject(method(), at::kFloat, plan).adapters.flat_param(), Subject(method(), at::kFloat, plan).adapters.flat_param()));
  }
}

/// Change of the mean loss along `direction`, by central differences.
double difference(const Decoder& decoder, const TrainBatch& data, const Tensor& param, const Tensor& direction) {
  constexpr double kStep = 1e-5;
  const Tensor before = param.detach().clone();
  const auto loss_at = [&](double offset) {
    param.detach().copy_(before + direction * offset);
    return mean_loss(decoder, data);
  };
  const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
  param.detach().copy_(before);
  return slope;
}

TEST_P(MethodRow, EveryParameterGetsTheGradientOfFiniteDifferences) {
  if (!method().exact_gradient) return;  // its own tests hold its rule
  Subject subject(method(), at::kDouble);
  randomise(subject.adapters, 7);
  subject.decoder().bind(&subject.adapters);
  const TrainBatch data = train_batch(tiny_documents());
  backward_step(subject.decoder(), data);
  std::vector<double> got, want;
  std::vector<std::string> names;
  for (size_t p = 0; p < subject.adapters.specs().size(); ++p) {
    if (!subject.adapters.trains(p)) continue;
    names.push_back(subject.adapters.specs()[p].name);
    const Tensor direction = random_tensor(subject.adapters.specs()[p].shape, 100 + p);
    got.push_back((subject.adapters.grad(p) * direction).sum().item<double>());
    want.push_back(difference(subject.decoder(), data, subject.adapters.param(p), direction));
    EXPECT_GT(largest_of({subject.adapters.grad(p)}), 0) << subject.adapters.specs()[p].name;
  }
  const double largest =
      std::abs(*std::max_element(want.begin(), want.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], kFiniteDifference * largest) << names[i];
}

/// The part by plain operators against the folded weight, member by member.
TEST_P(MethodRow, PartsMeanTheAdaptedWeight) {
  Subject subject(method(), at::kDouble);
  randomise(subject.adapters, 9);
  const at::NoGradGuard no_grad;
  for (const Site& site : subject.adapters.sites()) {
    if (is_vector_slot(site.slot) || site.slot == Slot::embed) continue;
    const Adapter* adapter = subject.adapters.find(site.layer, site.slot);
    const Part what = adapter->part(0);
    const bool composed = std::holds_alternative<Scaled>(what) || std::holds_alternative<General>(what);
    EXPECT_EQ(method().composed, composed) << "what the memory forecast counts with";
    if (composed) continue;  // see TheModelComputesWithTheAdaptedWeights
    const Tensor x_NI = random_tensor({5, site.in}, 11);
    for (size_t m = 0; m < site.members.size(); ++m) {
      const Tensor base_OI = frozen_weight(subject.decoder().weights(), site, m);
      const Tensor want = at::matmul(x_NI, adapter->adapted_rows(base_OI, 0, m).t());
      EXPECT_TRUE(close_to(plain_apply(*adapter, m, x_NI, at::matmul(x_NI, base_OI.t())), want, kSameMath64)) << site.members[m].path;
    }
  }
}

/// The fused paths of the whole model against plain products with folded weights.
TEST_P(MethodRow, TheModelComputesWithTheAdaptedWeights) {
  Subject subject(method(), at::kDouble);
  randomise(subject.adapters, 13);
  const Batch batch = make_batch(tiny_documents());
  const Tensor bound = subject.adapted_logits(batch);
  subject.decoder().bind(nullptr);
  for (const Site& site : subject.adapters.sites()) {
    for (size_t m = 0; m < site.members.size(); ++m) {
      const Tensor weight = frozen_weight(subject.decoder().weights(), site, m);
      set_frozen_weight(subject.decoder().weights(), site, m, subject.adapters.find(site.layer, site.slot)->adapted_rows(weight, 0, m));
    }
  }
  EXPECT_TRUE(close_to(bound, all_logits(subject.decoder(), batch), 10 * kSameMath64));
}

TEST_P(MethodRow, ActsOnItsOwnExpertsOnly) {
  RoutingKeeper routing;
  Forward watched;
  watched.observers = {&routing};
  for (const char* target : {"gate", "up", "down"}) {
    Subject subject(method(), at::kFloat, late_plan(method()), {target});
    randomise(subject.adapters, 15);
    const at::NoGradGuard no_grad;
    const Batch batch = make_batch(tiny_documents());
    const Tensor base_TD = subject.decoder().hidden(batch, watched);
    subject.decoder().bind(&subject.adapters);
    const Tensor got_TD = subject.decoder().hidden(batch, {});
    const Tensor changed_T = (got_TD != base_TD).any(1);
    const Tensor ids_TK = routing.layers.back().ids_TK, routed_T = at::logical_or(ids_TK == 1, ids_TK == 4).any(1);
    EXPECT_TRUE(at::equal(changed_T, routed_T)) << target;
    EXPECT_TRUE(routed_T.any().item<bool>() && !routed_T.all().item<bool>());
  }
}

TEST_P(MethodRow, SurvivesItsFile) {
  const Plan plan = late_plan(method());
  Subject subject(method(), at::kFloat, plan);
  randomise(subject.adapters, 17);
  const TempFolder folder;
  const Batch batch = make_batch(tiny_documents());
  const Tensor want = subject.adapted_logits(batch);
  if (!method().makes_adapter) {  // the result is a model
    write_full_model(subject.checkpoint, tiny_shape(), subject.adapters, folder / "model");
    EXPECT_TRUE(same_bytes(all_logits(*load_decoder(Checkpoint(folder / "model"), {}), batch), want));
    return;
  }
  AdapterOrigin origin;
  origin.plan = plan;
  origin.base_path = "base";
  write_adapter(folder / "a", subject.adapters, origin, tiny_shape());
  const LoadedAdapter loaded = read_adapter(folder / "a", tiny_shape());
  EXPECT_EQ(loaded.adapters->method().name, method().name);
  EXPECT_TRUE(same_bytes(loaded.adapters->flat_param(), subject.adapters.flat_param()));
  subject.decoder().bind(loaded.adapters.get());
  EXPECT_TRUE(same_bytes(all_logits(subject.decoder(), batch), want));
  write_adapter(folder / "b", *loaded.adapters, origin, tiny_shape());
  const bool own_ranks = plan.layers[0].experts[0].rank > 0;  // PEFT has them for its LORA alone
  EXPECT_EQ(fs::exists(folder / "a" / "adapter_config.json"), method().peft_type == "LORA" || (!method().peft_type.empty() && !own_ranks))
      << "PEFT must take the folder or refuse it";
  for (const char* file : {"adapter_model.safetensors", "adapter_config.json", "hellora.json"}) {
    if (!fs::exists(folder / "a" / file)) continue;
    EXPECT_EQ(slurp(folder / "a" / file), slurp(folder / "b" / file)) << file;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, MethodRow, ::testing::ValuesIn(table_rows(methods())), row_name<Method>);

TEST(MethodTable, HasDistinctNames) {
  std::set<std::string_view> names;
  for (const Method& method : methods()) EXPECT_TRUE(names.insert(method.name).second) << method.name;
}

}  // namespace
}  // namespace hellora::testing
