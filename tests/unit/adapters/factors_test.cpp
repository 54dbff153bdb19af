// Where factors come from: the singular vectors of a weight or of the first update, and tensors that maps share.
#include "hellora/adapters/step_hooks.h"
#include "hellora/core/error.h"
#include "hellora/tensor/svd.h"
#include "tests/support/helpers.h"
#include "tests/support/plain_adapter.h"
#include "tests/support/tolerances.h"
#include "tests/unit/adapters/one_map.h"

namespace hellora {
namespace {

using namespace testing;

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

}  // namespace
}  // namespace hellora
