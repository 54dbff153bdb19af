// GS-LoRA's own: groups and their norms, the bound on what is forgotten, proximal steps.
#include "hellora/adapters/step_hooks.h"
#include "tests/support/helpers.h"
#include "tests/support/tolerances.h"
#include "tests/unit/adapters/one_map.h"

namespace hellora {
namespace {

using namespace testing;

/// Two layers: a map and two experts with two projections each; and the head.
std::vector<Site> some_sites() {
  const auto experts = [](int64_t layer, Slot slot, const std::string& name) {
    const std::string path = "layers." + std::to_string(layer) + ".experts.";
    return Site{layer, slot, 6, 5, {{3, 2, 0, path + "3." + name}, {7, 2, 0, path + "7." + name}}};
  };
  std::vector<Site> sites;
  for (const int64_t layer : {0, 1}) {
    sites.push_back({layer, Slot::q, 6, 5, {{-1, 2, 0, "layers." + std::to_string(layer) + ".q_proj"}}});
    sites.push_back(experts(layer, Slot::gate, "gate_proj"));
    sites.push_back(experts(layer, Slot::up, "up_proj"));
  }
  sites.push_back({-1, Slot::lm_head, 6, 5, {{-1, 2, 0, "lm_head"}}});
  return sites;
}

struct Grouped {
  Grouped(const std::string& method, const std::vector<Setting>& settings)
      : set(some_sites(), config_of(method, 2, 2, settings), 1, {}, at::kDouble), hooks(set.hooks()) {
    for (size_t p = 0; p < set.specs().size(); ++p) set.param(p).detach().copy_(random_tensor(set.specs()[p].shape, 70 + p));
  }
  double value() {
    set.flat_grad().zero_();
    return hooks->regularise(0);
  }
  AdapterSet set;
  std::unique_ptr<StepHooks> hooks;
};

TEST(GsLora, AGroupsNormIsTheRootOfTheSum) {
  AdapterSet set({site_of(1, 1, 1)}, config_of("gs_lora", 1, 2, {{"gs_lora.group_weight", "1"}}), 1, {}, at::kDouble);
  set.param(0).detach().fill_(3);
  set.param(1).detach().fill_(4);
  EXPECT_NEAR(set.hooks()->regularise(0), 5, 1e-12);
  EXPECT_NEAR(set.grad(0).item<double>(), 3.0 / 5, 1e-12) << "α P / ‖g‖";
  EXPECT_NEAR(set.grad(1).item<double>(), 4.0 / 5, 1e-12);
}

TEST(GsLora, GroupsAreWhatTheSettingSays) {
  const std::vector<std::pair<std::string, int64_t>> table = {{"block", 3}, {"member", 11}, {"matrix", 22}, {"expert", 7}};
  for (const auto& [groups, wanted] : table) {
    Grouped one("gs_lora", {{"gs_lora.groups", groups}});
    one.value();
    EXPECT_EQ(one.hooks->counts()[0].second, wanted) << groups;
    EXPECT_EQ(one.hooks->counts()[1].second, 0) << groups;
  }
}

TEST(GsLora, TheGroupTermIsItsGradient) {
  for (const char* groups : {"block", "member", "matrix", "expert"}) {
    Grouped one("gs_lora", {{"gs_lora.groups", groups}, {"gs_lora.group_weight", "0.3"}});
    one.value();
    const Tensor grad = one.set.flat_grad().clone(), direction = random_tensor(one.set.flat_param().sizes(), 9);
    const Tensor before = one.set.flat_param().detach().clone();
    const auto at_offset = [&](double offset) {
      one.set.flat_param().detach().copy_(before + direction * offset);
      return one.value();
    };
    const double slope = (at_offset(1e-5) - at_offset(-1e-5)) / 2e-5;
    // Padding between the tensors takes no part.
    EXPECT_NEAR((grad * direction).sum().item<double>(), slope, kFiniteDifference * std::abs(slope)) << groups;
  }
}

TEST(GsLora, AGroupOfZerosHasAGradientOfZero) {
  Grouped one("gs_lora", {{"gs_lora.groups", "member"}});
  for (size_t p = 0; p < 2; ++p) one.set.param(p).detach().zero_();
  EXPECT_TRUE(std::isfinite(one.value()));
  EXPECT_EQ(one.set.grad(0).abs().max().item<double>(), 0);
  EXPECT_GT(one.set.grad(2).abs().max().item<double>(), 0);
  EXPECT_EQ(one.hooks->counts()[1].second, 1) << "it counts as small";
}

TEST(GsLora, TheTermWaits) {
  Grouped one("gs_lora", {{"gs_lora.group_after", "3"}});
  EXPECT_EQ(one.hooks->regularise(2), 0);
  EXPECT_EQ(one.set.flat_grad().abs().max().item<double>(), 0);
  EXPECT_GT(one.hooks->regularise(3), 0);
  EXPECT_GT(one.set.flat_grad().abs().max().item<double>(), 0);
}

TEST(GsLora, ForgettingPushesUpToTheBoundAndNotBeyond) {
  const Grouped one("gs_lora", {{"gs_lora.forget_weight", "0.5"}, {"gs_lora.bound", "4"}});
  EXPECT_EQ(one.hooks->forget_weights({3.9, 0}).loss, -0.5);
  EXPECT_EQ(one.hooks->forget_weights({4, 0}).loss, 0);
  EXPECT_EQ(one.hooks->forget_weights({7, 0}).loss, 0);
  EXPECT_EQ(one.hooks->forget_weights({3.9, 0}).drift, 0);
  EXPECT_EQ(one.hooks->prototype_rows(), 0);
}

TEST(GsLora, PrototypesHaveABoundOfTheirOwn) {
  const Grouped one("gs_lora_pp", {{"gs_lora_pp.forget_weight", "0.5"},
                                   {"gs_lora_pp.bound", "4"},
                                   {"gs_lora_pp.forget_drift", "0.2"},
                                   {"gs_lora_pp.drift_bound", "1.5"},
                                   {"gs_lora_pp.keep_drift", "0.7"}});
  EXPECT_EQ(one.hooks->forget_weights({5, 1.4}).loss, 0);
  EXPECT_EQ(one.hooks->forget_weights({5, 1.4}).drift, -0.2);
  EXPECT_EQ(one.hooks->forget_weights({3, 1.6}).loss, -0.5);
  EXPECT_EQ(one.hooks->forget_weights({3, 1.6}).drift, 0);
  EXPECT_EQ(one.hooks->drift_weight(), 0.7);
  EXPECT_GT(one.hooks->prototype_rows(), 0);
}

TEST(GsLora, AProximalStepShrinksAGroupAsAWhole) {
  Grouped one("gs_lora", {{"gs_lora.groups", "member"}, {"gs_lora.group_weight", "2"}, {"gs_lora.prox", "true"}});
  EXPECT_GT(one.value(), 0) << "the metrics still say it";
  EXPECT_EQ(one.set.flat_grad().abs().max().item<double>(), 0) << "in the gradient it would act twice";
  for (size_t p = 0; p < 2; ++p) one.set.param(p).detach().fill_(1e-3);
  const Tensor before = one.set.param(2).detach().clone(), other = one.set.param(3).detach();
  const double norm = std::sqrt(before.square().sum().item<double>() + other.square().sum().item<double>());
  one.hooks->after_step(0, 10, 0.01);
  EXPECT_TRUE(close_to(one.set.param(2).detach(), before * (1 - 0.01 * 2 / norm), kSameMath64));
  EXPECT_EQ(one.set.param(0).abs().max().item<double>(), 0) << "it is never turned round";
  EXPECT_EQ(one.hooks->masked(0), one.set.param(0).numel());
  EXPECT_EQ(one.hooks->masked(2), 0);
}

TEST(GsLora, BothSpellingsAreOneMethod) {
  const AdapterConfig config = config_of("lora", 2, 2, {{"method", "gs_lora++"}});
  EXPECT_EQ(config.method, "gs_lora_pp");
  EXPECT_EQ(&find_method("gs_lora++"), &find_method("gs_lora_pp"));
}

}  // namespace
}  // namespace hellora
