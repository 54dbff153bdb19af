// What each method owns beside its forward pass: masks, budgets, proximal steps, rescaled gradients, starts from a weight; and the
// settings at which one method is another.
#include "hellora/adapters/adapter_set.h"
#include "hellora/adapters/pruning.h"
#include "hellora/adapters/step_hooks.h"
#include "hellora/core/error.h"
#include "tests/support/helpers.h"
#include "tests/support/plain_adapter.h"
#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"
#include "tests/unit/adapters/one_map.h"

namespace hellora {

int64_t adalora_budget(int64_t t, int64_t all, int64_t warmup, int64_t finish, int64_t b0, int64_t bT);

namespace {

using namespace testing;

std::vector<double> numbers(const Tensor& x) {
  const Tensor flat = x.detach().to(at::kDouble).flatten().contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

Tensor column(std::vector<double> values) {
  const auto rows = static_cast<int64_t>(values.size());
  return at::tensor(values, at::TensorOptions(at::kDouble)).view({rows, 1});
}

// --- LoRI

TEST(Lori, TheMaskKeepsTheLargestAndTies) {
  AdapterSet set({site_of(4, 10, 1)}, config_of("lori", 1, 2, {{"lori.sparsity", "0.7"}}), 1, {}, at::kDouble);
  const auto hooks = set.hooks();
  Tensor b = set.param("some.q_proj.lora_B.weight");
  b.detach().copy_(column({.1, -.5, .3, 0, .2, -.05, .7, .01, -.3, .02}));
  hooks->begin_phase(1);
  EXPECT_TRUE((set.flat_param() == 0).all().item<bool>()) << "the second phase begins at zero";
  set.flat_grad().fill_(1);
  hooks->after_backward({});
  EXPECT_EQ(numbers(set.grad(1)), (std::vector<double>{0, 1, 1, 0, 0, 0, 1, 0, 1, 0}));
  EXPECT_EQ(hooks->masked(1), 6);
}

TEST(Lori, KeepsAsManyAsTheAuthorsExpressionSays) {
  const AdapterConfig config = config_of("lori", 1, 2);
  const auto learning = find_method("lori").learning;
  EXPECT_EQ(learning(100, config), 9);  // 1 − 0.9 is below 0.1 in double
  EXPECT_EQ(learning(1000, config), 99);
  EXPECT_EQ(learning(21004288, config), 2100428);
  EXPECT_EQ(learning(10, config), 1) << "never none";
}

TEST(Lori, ClipsEachTensorByItsOwnNorm) {
  AdapterSet set({site_of(4, 3, 1), site_of(4, 3, 1, "some.k_proj", Slot::k)}, config_of("lori", 1, 2), 1, {}, at::kDouble);
  set.grad(1).copy_(column({3, 4, 0}));
  set.grad(3).copy_(column({.3, .4, 0}));
  EXPECT_TRUE(set.hooks()->clip(1));
  EXPECT_NEAR(set.grad(1).norm().item<double>(), 1, 1e-6);
  EXPECT_NEAR(set.grad(3).norm().item<double>(), .5, 1e-12);
}

TEST(Lori, AIsMadeFromTheSeedAndSwapTakesTheOtherFactor) {
  const AdapterSet set({site_of(6, 5, 2)}, config_of("lori", 2, 2), 3, {});
  const AdapterSet stored({site_of(6, 5, 2)}, config_of("lori", 2, 2), 3, {}, at::kFloat, Fill::stored);
  EXPECT_TRUE(same_bytes(set.flat_frozen(), stored.flat_frozen()));
  EXPECT_FALSE((set.flat_frozen() == 0).all().item<bool>());
  const AdapterSet swapped({site_of(6, 5, 2)}, config_of("lori", 2, 2, {{"lori.swap", "true"}}), 3, {});
  EXPECT_EQ(swapped.trainable(), 12);
  EXPECT_EQ(swapped.flat_param().abs().max().item<double>(), 0) << "A begins at zero, B is drawn";
  EXPECT_GT(swapped.flat_frozen().abs().max().item<double>(), 0);
}

TEST(Lori, PhasesShareTheSteps) {
  AdapterSet set({site_of(4, 3, 1)}, config_of("lori", 1, 2, {{"lori.dense_share", "0.3"}}), 1, {});
  EXPECT_EQ(set.hooks()->phases(10), (std::vector<int64_t>{3, 7}));
  EXPECT_EQ(set.hooks()->phases(2), (std::vector<int64_t>{1, 1}));
}

// --- Pruning

TEST(Pruning, ProximalStep) {
  const Tensor g = at::tensor({.05, .1, .15, .19, .25, -.3, -.12}, at::TensorOptions(at::kDouble));
  const Tensor textbook = at::tensor({0., 0., .05, .09, .15, -.2, -.02}, at::TensorOptions(at::kDouble));
  const Tensor code = at::tensor({0., .1, 0., 0., .15, -.2, 0.}, at::TensorOptions(at::kDouble));
  EXPECT_TRUE(close_to(shrunk(g, .1, false), textbook, 1e-12));
  EXPECT_TRUE(close_to(shrunk(g, .1, true), code, 1e-12));
}

TEST(Pruning, TheL1TermIsItsGradient) {
  AdapterSet set({site_of(4, 3, 4)}, config_of("sora", 4, 4, {{"sora.l1", "2"}}), 1, {}, at::kDouble);
  Tensor(set.param("some.q_proj.sora_gate")).detach().copy_(at::tensor({.5, -.25, 0., 1.}, at::TensorOptions(at::kDouble)));
  const double value = set.hooks()->regularise(0);
  EXPECT_NEAR(value, 2 * 1.75 / 4, 1e-12);
  EXPECT_EQ(numbers(set.param("some.q_proj.sora_gate").grad()), (std::vector<double>{.5, -.5, 0, .5}));
}

TEST(Sora, AGateOfOneIsLora) {
  OneMap sora(config_of("sora", 3, 6), 8, 5, 10), lora(config_of("lora", 3, 6), 8, 5, 10);
  for (const char* factor : {".lora_A.weight", ".lora_B.weight"}) {
    const Tensor value = random_tensor(lora.param(factor).sizes(), hash_text(factor));
    lora.param(factor).detach().copy_(value);
    sora.param(factor).detach().copy_(value);
  }
  sora.param(".sora_gate").detach().fill_(1);
  EXPECT_TRUE(close_to(sora.out(), lora.out(), kSameMath64));
}

// --- AdaLoRA

TEST(AdaLora, Budget) {
  const std::vector<std::pair<int64_t, int64_t>> table = {{10, 120}, {11, 118}, {20, 105}, {40, 87}, {60, 80}, {81, 80}};
  for (const auto& [t, wanted] : table) EXPECT_EQ(adalora_budget(t, 100, 10, 20, 120, 80), wanted) << t;
}

TEST(AdaLora, TheOrthogonalTermIsItsGradient) {
  AdapterSet set({site_of(6, 5, 3)}, config_of("adalora", 3, 3), 1, {}, at::kDouble);
  for (size_t p = 0; p < 2; ++p) set.param(p).detach().copy_(random_tensor(set.specs()[p].shape, 5 + p));
  const auto value = [&] {
    set.flat_grad().zero_();
    return set.hooks()->regularise(0);
  };
  value();
  const Tensor grad = set.flat_grad().clone(), direction = random_tensor(set.flat_param().sizes(), 9);
  const Tensor before = set.flat_param().detach().clone();
  const auto at_offset = [&](double offset) {
    set.flat_param().detach().copy_(before + direction * offset);
    return value();
  };
  // E takes no part, and padding none either.
  const double slope = (at_offset(1e-5) - at_offset(-1e-5)) / 2e-5;
  EXPECT_NEAR((grad * direction).sum().item<double>(), slope, 1e-7 * std::abs(slope) + 1e-9);
}

TEST(AdaLora, TheFinalMaskLeavesTheBudgetAndHolds) {
  AdapterSet set({site_of(6, 5, 6), site_of(6, 5, 6, "some.k_proj", Slot::k)}, config_of("adalora", 6, 6, {{"adalora.target_rank", "2"}}),
                 1, {}, at::kDouble);
  const auto hooks = set.hooks();
  for (int64_t step = 0; step < 4; ++step) {
    for (size_t p = 0; p < set.specs().size(); ++p) {
      set.param(p).detach().copy_(random_tensor(set.specs()[p].shape, 20 + p + 10 * static_cast<uint64_t>(step)));
      set.grad(p).copy_(random_tensor(set.specs()[p].shape, 90 + p + 10 * static_cast<uint64_t>(step)));
    }
    hooks->after_step(step, 4, 1e-3);
  }
  const auto alive = [&] {
    return at::count_nonzero(set.param("some.q_proj.lora_E")).item<int64_t>() +
           at::count_nonzero(set.param("some.k_proj.lora_E")).item<int64_t>();
  };
  EXPECT_EQ(alive(), 4);  // two maps of rank 2
  const auto pattern = [&] { return at::cat({set.param("some.q_proj.lora_E") != 0, set.param("some.k_proj.lora_E") != 0}); };
  const Tensor chosen = pattern();
  for (uint64_t more = 0; more < 3; ++more) {  // whatever matters later
    set.param("some.q_proj.lora_E").detach().fill_(1);
    set.param("some.k_proj.lora_E").detach().fill_(1);
    set.flat_grad().copy_(random_tensor(set.flat_grad().sizes(), 300 + more) * 100);
    hooks->after_step(4, 4, 1e-3);
    EXPECT_TRUE(at::equal(pattern(), chosen)) << "the pattern stays";
  }
}

TEST(AdaLora, BetweenTwoCutsARankMayGrowBack) {
  AdapterSet set({site_of(6, 5, 6)}, config_of("adalora", 6, 6, {{"adalora.target_rank", "2"}, {"adalora.interval", "2"}}), 1, {},
                 at::kDouble);
  const auto hooks = set.hooks();
  const auto alive_after = [&](int64_t step) {
    set.flat_param().detach().copy_(random_tensor(set.flat_param().sizes(), 10 + static_cast<uint64_t>(step)));
    set.flat_grad().copy_(random_tensor(set.flat_grad().sizes(), 50 + static_cast<uint64_t>(step)));
    hooks->after_step(step, 8, 1e-3);
    return at::count_nonzero(set.param("some.q_proj.lora_E")).item<int64_t>();
  };
  EXPECT_EQ(alive_after(0), 6);
  EXPECT_LT(alive_after(1), 6);  // the second step cuts
  EXPECT_EQ(alive_after(2), 6);  // the third does not
}

// --- DoRA

/// The same with plain operators, the norms a constant.
Tensor plain_dora(const OneMap& map, double scale, const Tensor& x_low) {
  const Tensor a = map.param(".lora_A.weight"), b = map.param(".lora_B.weight"), m = map.param(".lora_magnitude_vector");
  const Tensor v = map.w_OI + at::matmul(b, a) * scale, q = m / v.square().sum(1).sqrt().detach();
  const Tensor change = at::matmul(at::matmul(x_low, a.t()), b.t()) * scale;
  return at::matmul(map.x_NI, map.w_OI.t()) + at::matmul(x_low, map.w_OI.t()) * (q - 1) + change * q;
}

TEST(Dora, EqualsTheFormulaWithItsGradients) {
  OneMap map(config_of("dora", 3, 6), 8, 5, 4);
  EXPECT_TRUE(close_to(map.out(), at::matmul(map.x_NI, map.w_OI.t()), kSameMath64)) << "it starts as the base";
  map.randomise(30);
  const Tensor dropped = (map.x_NI * random_tensor({7, 8}, 77)).detach().requires_grad_(true), c = random_tensor({7, 5}, 40);
  const std::vector<Tensor> leaves = {map.x_NI, map.param(".lora_A.weight"), map.param(".lora_B.weight"),
                                      map.param(".lora_magnitude_vector")};
  for (const Tensor& x_low : {Tensor(), dropped}) {
    const Tensor got = map.out(x_low), want = plain_dora(map, 2, x_low.defined() ? x_low : map.x_NI);
    EXPECT_TRUE(close_to(got, want, kSameMath64));
    const auto got_grad = gradients(got, c, leaves), want_grad = gradients(want, c, leaves);
    for (size_t g = 0; g < leaves.size(); ++g) EXPECT_TRUE(close_to(got_grad[g], want_grad[g], kSameMath64 * 10)) << g;
  }
  const Tensor merged = map.adapter().adapted_rows(map.w_OI, 0, 0);
  EXPECT_TRUE(close_to(at::matmul(map.x_NI, merged.t()), map.out(), kSameMath64));
  EXPECT_TRUE(close_to(map.adapter().adapted_rows(map.w_OI.narrow(0, 2, 3), 2, 0), merged.narrow(0, 2, 3), kSameMath64));
}

// --- ALLoRA

TEST(Allora, RescalesTheGradientOfItsFactorsByRows) {
  OneMap map(config_of("allora", 3, 6, {{"allora.eta", "4"}}), 8, 5, 4);
  map.randomise(30);
  const Tensor a = map.param(".lora_A.weight"), b = map.param(".lora_B.weight"), c = random_tensor({7, 5}, 40);
  const Tensor factor = (at::matmul(b, a).detach().square().sum(1).sqrt() + 1.0 / 16).rsqrt();
  const Tensor got = map.out(), plain = at::matmul(map.x_NI, map.w_OI.t()) + at::matmul(at::matmul(map.x_NI, a.t()), b.t());
  EXPECT_TRUE(close_to(got, plain, kSameMath64));
  const auto got_grad = gradients(got, c, {map.x_NI, a, b});
  EXPECT_TRUE(close_to(got_grad[0], gradients(plain, c, {map.x_NI})[0], kSameMath64 * 10)) << "the input's is not rescaled";
  const auto scaled = gradients(at::matmul(at::matmul(map.x_NI, a.t()), b.t()), c * factor, {a, b});
  EXPECT_TRUE(close_to(got_grad[1], scaled[0], kSameMath64 * 10));
  EXPECT_TRUE(close_to(got_grad[2], scaled[1], kSameMath64 * 10));
}

TEST(Allora, RefusesDropout) {
  AdapterConfig config = config_of("allora", 3, 6);
  config.dropout = 0.1;
  EXPECT_CONTAINS(error_of<ConfigError>([&] { AdapterSet({site_of(4, 4, 3)}, config, 1, {}); }), "adapter.dropout");
}

TEST(Methods, EmbeddingsAreRefusedWhereThereIsNoForm) {
  const Site embed{-1, Slot::embed, 30, 8, {{-1, 2, 0, "embed"}}};
  for (const char* method : {"lori", "lora_fa", "dora", "vera", "adalora", "pissa", "lora_xs", "randlora", "s2_lora", "allora"}) {
    EXPECT_CONTAINS(error_of<ConfigError>([&] { AdapterSet({embed}, config_of(method, 2, 4), 1, {}); }), "embed");
  }
}

}  // namespace
}  // namespace hellora
