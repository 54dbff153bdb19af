// What each method owns beside its forward pass: masks, budgets, proximal steps, rescaled gradients, starts from a weight; and the
// settings at which one method is another.
#include "hellora/adapters/adapter_set.h"
#include "hellora/adapters/linear.h"
#include "hellora/adapters/pruning.h"
#include "hellora/adapters/step_hooks.h"
#include "hellora/core/error.h"
#include "hellora/tensor/frozen.h"
#include "hellora/tensor/svd.h"
#include "tests/support/helpers.h"
#include "tests/support/plain_adapter.h"
#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"

namespace hellora {

int64_t adalora_budget(int64_t t, int64_t all, int64_t warmup, int64_t finish, int64_t b0, int64_t bT);

namespace {

using namespace testing;

using Setting = std::pair<std::string, std::string>;

AdapterConfig config_of(const std::string& method, int64_t rank, double alpha, const std::vector<Setting>& settings = {}) {
  AdapterConfig config;
  config.method = method;
  config.rank = rank;
  config.alpha = alpha;
  Fields fields;
  fields.add(adapter_fields(&config));
  for (const auto& [key, value] : settings) fields.set_text("adapter." + key, value, "test");
  return config;
}

Site site_of(int64_t in, int64_t out, int64_t rank, const std::string& path = "some.q_proj", Slot slot = Slot::q) {
  return {0, slot, in, out, {{-1, rank, 0, path}}};
}

/// One map with its frozen weight, every value of the adapter random.
struct OneMap {
  OneMap(const AdapterConfig& config, int64_t in, int64_t out, uint64_t seed)
      : w_OI(random_tensor({out, in}, seed)),
        set(
            {site_of(in, out, config.rank)}, config, 1, [this](const std::string&) { return w_OI; }, at::kDouble),
        x_NI(random_leaf({7, in}, seed + 1)),
        packed(arena.add(w_OI, kernels::WeightType::f64)) {}
  void randomise(uint64_t seed) {
    for (size_t i = 0; i < set.specs().size(); ++i) set.param(i).detach().copy_(random_tensor(set.specs()[i].shape, seed + i));
  }
  const Adapter& adapter() const { return *set.find(0, Slot::q); }
  Tensor out(const Tensor& x_low = {}) const { return adapted_linear(x_NI, x_low, {packed, &adapter()}, {}); }
  Tensor param(const std::string& end) const { return set.param("some.q_proj" + end); }

  Tensor w_OI;
  AdapterSet set;
  Tensor x_NI;
  FrozenWeights arena;
  kernels::Packed packed;
};

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
  const double value = set.hooks()->regularise();
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
    return set.hooks()->regularise();
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

// --- Starts from a weight

TEST(LeadingSvd, ExactAndByIterationAgree) {
  const Tensor u = std::get<0>(at::linalg_qr(random_tensor({60, 60}, 1))), v = std::get<0>(at::linalg_qr(random_tensor({40, 40}, 2)));
  const Tensor s = at::pow(at::full({40}, .8, at::TensorOptions(at::kDouble)), at::arange(40, at::TensorOptions(at::kDouble)));
  const Tensor w = at::matmul(u.narrow(1, 0, 40) * s, v.t());
  const Svd exact = leading_svd(w, 4, 0, {}), fast = leading_svd(w, 4, 8, make_key(3));
  EXPECT_TRUE(close_to(exact.s_R, s.narrow(0, 0, 4), 1e-12));
  EXPECT_TRUE(close_to(fast.s_R, exact.s_R, 1e-9));
  EXPECT_TRUE(close_to(at::matmul(fast.u_OR * fast.s_R, fast.vt_RI), at::matmul(exact.u_OR * exact.s_R, exact.vt_RI), 1e-6));
  EXPECT_TRUE(close_to(fast.vt_RI, exact.vt_RI, 1e-6)) << "signs are fixed";
}

TEST(Pissa, StartsAsTheBaseAndLeavesTheRest) {
  OneMap map(config_of("pissa", 2, 6), 9, 7, 4);
  EXPECT_TRUE(close_to(map.out(), at::matmul(map.x_NI, map.w_OI.t()), kSameMath64));
  const double scale = 3;
  const Tensor principal = at::matmul(map.param(".pissa_B0"), map.param(".pissa_A0")) * scale;
  const Tensor s = std::get<1>(at::linalg_svd(map.w_OI));
  EXPECT_NEAR((map.w_OI - principal).norm().item<double>(), s.narrow(0, 2, 5).norm().item<double>(), 1e-10);
  EXPECT_EQ(low_rank_part(map.adapter(), 0).rank(), 4);
}

TEST(LoraXs, TheIdentityBetweenItsFactorsAddsThePrincipalPart) {
  OneMap map(config_of("lora_xs", 2, 6), 9, 7, 4);
  map.param(".xs_R").detach().copy_(at::eye(2, at::TensorOptions(at::kDouble)));
  const auto [u, s, vt] = at::linalg_svd(map.w_OI);
  const Tensor want = map.w_OI + at::matmul(u.narrow(1, 0, 2) * s.narrow(0, 0, 2), vt.narrow(0, 0, 2)) * 3;
  EXPECT_TRUE(close_to(map.adapter().adapted_rows(map.w_OI, 0, 0), want, 1e-9));
  EXPECT_EQ(map.set.trainable(), 4);
}

TEST(LoraSb, StartsAsTheBestPartOfOneSignStep) {
  const Tensor w = random_tensor({7, 9}, 1), g = random_tensor({7, 9}, 2);
  const auto make = [&](const Tensor& gradient) {
    return AdapterSet(
        {site_of(9, 7, 2)}, config_of("lora_sb", 2, 1, {{"lora_sb.iterations", "0"}, {"lora_sb.eta", "0.01"}}), 1,
        [&](const std::string& name) { return name.ends_with(".grad") ? gradient : w; }, at::kDouble);
  };
  const AdapterSet set = make(g);
  const LowRank part = low_rank_part(*set.find(0, Slot::q), 0);
  const auto [u, s, vt] = at::linalg_svd(g.sign() * -0.01);
  EXPECT_TRUE(close_to(at::matmul(part.B_OR, part.A_RI), at::matmul(u.narrow(1, 0, 2) * s.narrow(0, 0, 2), vt.narrow(0, 0, 2)), 1e-9));
  const Tensor a = set.param("some.q_proj.sb_A"), b = set.param("some.q_proj.sb_B"), eye = at::eye(2, a.options());
  EXPECT_TRUE(close_to(at::matmul(a, a.t()), eye, 1e-12));
  EXPECT_TRUE(close_to(at::matmul(b.t(), b), eye, 1e-12));
  EXPECT_EQ(set.trainable(), 4);
  const AdapterSet unreached = make(at::zeros_like(g));
  EXPECT_EQ(unreached.flat_param().abs().max().item<double>(), 0);
  EXPECT_TRUE(close_to(at::matmul(unreached.param("some.q_proj.sb_B").t(), unreached.param("some.q_proj.sb_B")), eye, 1e-12));
}

// --- GLAD

/// A quadratic whose gradient anybody can compute: ½ θᵀ H θ.
TEST(Glad, TakesTheUphillGradientAndPutsTheParametersBack) {
  const Tensor h = at::matmul(random_tensor({32, 32}, 1), random_tensor({32, 32}, 1).t());
  for (const std::string mode : {"sam", "mix", "conflict"}) {
    AdapterSet set({site_of(5, 3, 2)}, config_of("glad", 2, 2, {{"glad.mode", mode}, {"glad.radius", "0.3"}, {"glad.mix", "0.25"}}), 1, {},
                   at::kDouble);
    set.flat_param().detach().copy_(random_tensor(set.flat_param().sizes(), 3));
    const int64_t n = set.flat_param().numel();
    const Tensor hessian = h.narrow(0, 0, n).narrow(1, 0, n), theta = set.flat_param().detach().clone(), g = at::mv(hessian, theta);
    const auto gradient = [&] { set.flat_grad().copy_(at::mv(hessian, set.flat_param().detach())); };
    gradient();
    set.hooks()->after_backward(gradient);
    EXPECT_TRUE(same_bytes(set.flat_param().detach(), theta));
    const Tensor uphill = g + at::mv(hessian, g) * (0.3 / g.norm().item<double>());
    Tensor want = uphill;
    if (mode == "mix") want = uphill * 0.25 + g * 0.75;
    if (mode == "conflict") want = g;  // of a convex function they never oppose each other
    EXPECT_TRUE(close_to(set.flat_grad(), want, kSameMath64 * 10)) << mode;
  }
}

TEST(Glad, LeavesOutWhatOpposesTheUphillGradient) {
  AdapterSet set({site_of(5, 3, 2)}, config_of("glad", 2, 2), 1, {}, at::kDouble);
  const Tensor g = random_tensor(set.flat_grad().sizes(), 4), opposed = g * -2 + random_tensor(g.sizes(), 5) * .1;
  set.flat_grad().copy_(g);
  set.hooks()->after_backward([&] { set.flat_grad().copy_(opposed); });
  EXPECT_NEAR((set.flat_grad() * opposed).sum().item<double>(), 0, 1e-10);
  EXPECT_GT(set.flat_grad().abs().max().item<double>(), 0);
}

TEST(FromWeight, RefusesARankAboveTheWidth) {
  for (const char* method : {"pissa", "lora_xs"}) {
    const std::string message = error_of<ConfigError>([&] { OneMap(config_of(method, 8, 8), 9, 7, 4); });
    EXPECT_CONTAINS(message, "7 singular values");
    EXPECT_CONTAINS(message, "rank 8");
  }
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

// --- LoRA-FA, VeRA, S2-LoRA, RandLoRA

TEST(LoraFa, ThePreconditionedStepProjectsTheFullGradient) {
  OneMap map(config_of("lora_fa", 3, 6), 8, 5, 4);
  map.randomise(30);  // A too: the hooks take it as it is when training begins
  const Tensor a = map.param(".lora_A.weight"), g_OI = random_tensor({5, 8}, 50);
  map.set.grad(1).copy_(at::matmul(g_OI, a.t()) * 2);  // G_B = s G_W Aᵀ
  map.set.hooks()->after_backward({});
  const Tensor projection = at::matmul(a.t(), at::matmul(at::linalg_pinv(at::matmul(a, a.t())), a));
  EXPECT_TRUE(close_to(at::matmul(map.set.grad(1), a) * 2, at::matmul(g_OI, projection), 1e-6));
  EXPECT_FALSE(a.requires_grad());
}

TEST(Vera, ShareOneBankOfTheWidestMap) {
  const AdapterSet set({site_of(6, 5, 4), site_of(3, 9, 4, "some.k_proj", Slot::k)}, config_of("vera", 4, 1), 1, {});
  EXPECT_EQ(set.param("vera_A").sizes(), (at::IntArrayRef{4, 6}));
  EXPECT_EQ(set.param("vera_B").sizes(), (at::IntArrayRef{9, 4}));
  EXPECT_EQ(set.trainable(), (4 + 5) + (4 + 9));
  EXPECT_TRUE(same_bytes(low_rank_part(*set.find(0, Slot::k), 0).A_RI.contiguous(), set.param("vera_A").narrow(1, 0, 3).contiguous()));
}

TEST(S2Lora, TheSharedPairGathersTheGradientsOfAllItsUsers) {
  const AdapterSet set({site_of(6, 5, 4), site_of(6, 5, 4, "some.k_proj", Slot::k), site_of(5, 6, 4, "some.o_proj", Slot::o)},
                       config_of("s2_lora", 4, 1), 1, {}, at::kDouble);
  EXPECT_EQ(set.trainable(), 2 * (4 * 6 + 5 * 4) + 3 * 4);
  for (const char* path : {"some.q_proj.s2_s", "some.k_proj.s2_s", "some.o_proj.s2_s"})
    set.param(path).detach().copy_(random_tensor({4}, hash_text(path)));
  const Tensor x = random_tensor({7, 6}, 3), c = random_tensor({7, 5}, 4), a = set.param("s2.5x6.A");
  const auto out = [&](Slot slot) { return plain_apply(*set.find(0, slot), 0, x, at::zeros({7, 5}, x.options())); };
  const Tensor both = gradients(out(Slot::q) + out(Slot::k), c, {a})[0];
  EXPECT_TRUE(close_to(both, gradients(out(Slot::q), c, {a})[0] + gradients(out(Slot::k), c, {a})[0], kSameMath64));
}

/// The five-by-three layer of the specification, index by index.
TEST(RandLora, EqualsItsSumsInBothOrders) {
  for (const std::string pairing : {"peft", "paper"}) {
    OneMap map(config_of("randlora", 2, 4, {{"randlora.pairing", pairing}}), 3, 5, 4);
    map.randomise(30);
    const Tensor a = map.set.param("randlora_A"), b = map.set.param("randlora_B"), l = map.param(".randlora_lambda"),
                 g = map.param(".randlora_gamma");
    constexpr int64_t kRank = 2, kBases = 2;
    Tensor change = at::zeros({5, 3}, at::TensorOptions(at::kDouble));
    for (int64_t i = 0; i < kRank * kBases; ++i) {
      const int64_t k = i / kBases, j = i % kBases;                                                  // A's column i in PEFT's order
      const int64_t jb = pairing == "peft" ? i / kRank : j, kb = pairing == "peft" ? i % kRank : k;  // B's
      change = change + at::outer(b.select(1, jb).select(1, kb), a.select(0, k).select(0, 0) * l[k][j] * g.select(0, j)) * 2;
    }
    EXPECT_TRUE(close_to(map.adapter().adapted_rows(map.w_OI, 0, 0), map.w_OI + change, kSameMath64)) << pairing;
  }
}

TEST(Methods, SharedFactorsHaveOneRank) {
  for (const char* method : {"vera", "s2_lora", "randlora"}) {
    const std::string message = error_of<ConfigError>([&] { AdapterSet({site_of(6, 5, 3)}, config_of(method, 4, 4), 1, {}); });
    EXPECT_CONTAINS(message, "has rank 3");
    EXPECT_CONTAINS(message, method);
  }
}

TEST(Methods, EmbeddingsAreRefusedWhereThereIsNoForm) {
  const Site embed{-1, Slot::embed, 30, 8, {{-1, 2, 0, "embed"}}};
  for (const char* method : {"lori", "lora_fa", "dora", "vera", "adalora", "pissa", "lora_xs", "randlora", "s2_lora", "allora"}) {
    EXPECT_CONTAINS(error_of<ConfigError>([&] { AdapterSet({embed}, config_of(method, 2, 4), 1, {}); }), "embed");
  }
}

}  // namespace
}  // namespace hellora
