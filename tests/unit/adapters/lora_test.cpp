// LoRA: how A and B start, scale, the general form against the fused path, the folded weight. R rank, I inputs, O outputs.
#include "hellora/adapters/adapter_set.h"
#include "hellora/adapters/linear.h"
#include "hellora/core/error.h"
#include "hellora/tensor/frozen.h"
#include "tests/support/helpers.h"
#include "tests/support/plain_adapter.h"
#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"

namespace hellora {
namespace {

using namespace testing;

Site linear_site(int64_t in, int64_t out, int64_t rank, double alpha = 0) {
  return {0, Slot::q, in, out, {{-1, rank, alpha, "some.q_proj"}}};
}

AdapterConfig config_of(double alpha, const std::string& method = "lora") {
  AdapterConfig config;
  config.method = method;
  config.alpha = alpha;
  return config;
}

TEST(Lora, AIsUniformWithinItsBoundAndBIsZero) {
  constexpr int64_t kIn = 100, kRank = 64;
  const AdapterSet set({linear_site(kIn, 50, kRank)}, config_of(8), 1, {});
  const Tensor A_RI = set.param(0).detach().to(at::kDouble), B_OR = set.param(1).detach();
  EXPECT_EQ(A_RI.sizes(), (at::IntArrayRef{kRank, kIn}));
  EXPECT_EQ(B_OR.sizes(), (at::IntArrayRef{50, kRank}));
  EXPECT_TRUE((B_OR == 0).all().item<bool>());
  const double bound = 1 / std::sqrt(static_cast<double>(kIn)), count = kIn * kRank;
  EXPECT_LE(A_RI.abs().max().item<double>(), bound);
  EXPECT_GT(A_RI.max().item<double>(), 0.99 * bound);
  EXPECT_LT(A_RI.min().item<double>(), -0.99 * bound);
  EXPECT_NEAR(A_RI.mean().item<double>(), 0, 5 * bound / std::sqrt(3 * count));
  EXPECT_NEAR(A_RI.square().mean().item<double>(), bound * bound / 3, 5 * bound * bound * std::sqrt(4.0 / 45 / count));
}

TEST(Lora, StartDependsOnSeedAndNameOnly) {
  const auto start = [](std::vector<Site> sites, uint64_t seed, size_t param) {
    return AdapterSet(std::move(sites), config_of(8), seed, {}).param(param).detach().clone();
  };
  const Site first = linear_site(12, 9, 4);
  Site second = first;
  second.members[0].path = "other.q_proj";
  EXPECT_TRUE(same_bytes(start({first}, 3, 0), start({second, first}, 3, 2)));
  EXPECT_FALSE(same_bytes(start({first}, 3, 0), start({first}, 4, 0)));
  EXPECT_FALSE(same_bytes(start({first}, 3, 0), start({second}, 3, 0)));
}

TEST(Lora, EmbeddingStartsWithZeroAAndNormalB) {
  const AdapterSet set({{-1, Slot::embed, 300, 200, {{-1, 16, 0, "embed"}}}}, config_of(8), 1, {});
  EXPECT_EQ(set.specs()[0].name, "embed.lora_embedding_A");
  EXPECT_EQ(set.specs()[1].name, "embed.lora_embedding_B");
  EXPECT_EQ(set.param(0).sizes(), (at::IntArrayRef{16, 300}));
  EXPECT_EQ(set.param(1).sizes(), (at::IntArrayRef{200, 16}));
  EXPECT_TRUE((set.param(0) == 0).all().item<bool>());
  const Tensor B = set.param(1).detach().to(at::kDouble);
  EXPECT_NEAR(B.mean().item<double>(), 0, 5 / std::sqrt(3200.0));
  EXPECT_NEAR(B.square().mean().item<double>(), 1, 5 * std::sqrt(2 / 3200.0));
}

TEST(Lora, Scale) {
  const auto scale = [](const AdapterConfig& config, int64_t rank, double alpha) {
    const AdapterSet set({linear_site(8, 8, rank, alpha)}, config, 1, {});
    return low_rank_part(*set.find(0, Slot::q), 0).scale;
  };
  EXPECT_EQ(scale(config_of(6), 4, 0), 1.5);
  EXPECT_EQ(scale(config_of(6), 4, 10), 2.5);  // the member's own alpha
  EXPECT_EQ(scale(config_of(6, "rslora"), 4, 0), 3.0);
}

struct Trained {
  explicit Trained(int64_t in, int64_t out, int64_t rank, uint64_t seed)
      : set({linear_site(in, out, rank)}, config_of(6), 1, {}, at::kDouble),
        x_NI(random_leaf({7, in}, seed)),
        w_OI(random_tensor({out, in}, seed + 1)) {
    for (size_t i = 0; i < 2; ++i) set.param(i).detach().copy_(random_tensor(set.specs()[i].shape, seed + 2 + i));
  }
  const Adapter& adapter() const { return *set.find(0, Slot::q); }
  Tensor fused() const { return adapted_linear(x_NI, {}, {packed, &adapter()}, {}); }
  AdapterSet set;
  Tensor x_NI, w_OI;
  FrozenWeights arena;
  kernels::Packed packed = arena.add(w_OI, kernels::WeightType::f64);
};

TEST(Lora, FusedPathEqualsTheGeneralForm) {
  for (const auto& [in, out, rank] :
       {std::array<int64_t, 3>{5, 9, 2}, std::array<int64_t, 3>{140, 3, 8}, std::array<int64_t, 3>{1, 1, 1}}) {
    const Trained t(in, out, rank, 10);
    const Tensor got = t.fused(), want = plain_apply(t.adapter(), 0, t.x_NI, at::matmul(t.x_NI, t.w_OI.t()));
    EXPECT_TRUE(close_to(got, want, kSameMath64));
    const Tensor c = random_tensor(want.sizes(), 20);
    const std::vector<Tensor> leaves = {t.x_NI, t.set.param(0), t.set.param(1)};
    const auto got_grad = gradients(got, c, leaves), want_grad = gradients(want, c, leaves);
    for (size_t g = 0; g < 3; ++g) EXPECT_TRUE(close_to(got_grad[g], want_grad[g], kSameMath64)) << g;
  }
}

TEST(Lora, AdaptedWeightIsBasePlusScaledProduct) {
  const Trained t(6, 4, 3, 30);
  const Tensor weight = t.adapter().adapted_rows(t.w_OI, 0, 0), plain = t.w_OI + 2.0 * at::matmul(t.set.param(1), t.set.param(0));
  EXPECT_TRUE(close_to(weight, plain, kSameMath64));
  EXPECT_FALSE(weight.requires_grad());
  EXPECT_TRUE(close_to(at::matmul(t.x_NI, weight.t()), t.fused(), kSameMath64));
  EXPECT_EQ(t.adapter().adapted_rows(t.w_OI.to(at::kBFloat16), 0, 0).scalar_type(), at::kFloat);
}

TEST(Full, TakesTheBaseAndReplacesIt) {
  const Tensor base = random_tensor({4, 6}, 1, at::kFloat), x_NI = random_leaf({3, 6}, 2, at::kFloat);
  const AdapterSet set({linear_site(6, 4, 0)}, config_of(8, "full"), 1, [&](const std::string& name) {
    EXPECT_EQ(name, "some.q_proj.weight");
    return base;
  });
  EXPECT_TRUE(same_bytes(set.param(0), base));
  const Tensor frozen = at::zeros({4, 6}, at::TensorOptions(at::kFloat));
  FrozenWeights arena;
  const kernels::Packed zero = arena.add(frozen, kernels::WeightType::f32), same = arena.add(base, kernels::WeightType::f32);
  EXPECT_TRUE(same_bytes(adapted_linear(x_NI, {}, {zero, set.find(0, Slot::q)}, {}), adapted_linear(x_NI, {}, {same, nullptr}, {})));
  EXPECT_TRUE(same_bytes(set.find(0, Slot::q)->adapted_rows(frozen, 0, 0), base));
}

TEST(Methods, UnknownNameNamesTheNearest) {
  const std::string message = error_of<ConfigError>([] { find_method("lroa"); });
  EXPECT_CONTAINS(message, "adapter.method");
  EXPECT_CONTAINS(message, "lroa");
  EXPECT_CONTAINS(message, "nearest: lora");
}

TEST(Methods, LoraRefusesNorms) {
  const std::string message = error_of<ConfigError>([] {
    AdapterSet({{0, Slot::input_norm, 1, 8, {{-1, 2, 0, "norm"}}}}, config_of(8), 1, {});
  });
  EXPECT_CONTAINS(message, "norm");
  EXPECT_CONTAINS(message, "full");
}

}  // namespace
}  // namespace hellora
