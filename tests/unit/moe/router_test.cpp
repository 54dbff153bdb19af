// Routing, its observers, expert order and the balance loss. T tokens, E experts, K experts per token.
#include "hellora/moe/router.h"

#include <numeric>

#include "hellora/moe/balance.h"
#include "tests/support/tolerances.h"
#include "tests/unit/moe/cases.h"

namespace hellora {
namespace {

using namespace testing;

Tensor ids(const std::vector<int64_t>& values) { return at::tensor(values, at::TensorOptions(at::kLong)); }

TEST(Route, WeightsAreProbabilitiesOrTheirShares) {
  const Tensor logits_TE = random_leaf({7, 5}, 1);
  const Tensor probs_TE = at::softmax(logits_TE, 1);
  for (const bool renormalize : {false, true}) {
    const Routing routing = route(logits_TE, {3, renormalize});
    Tensor want = std::get<0>(at::topk(probs_TE, 3, 1));
    if (renormalize) want = want / want.sum(1, true);
    EXPECT_TRUE(close_to(routing.weights_TK, want, kSameMath64));
    EXPECT_TRUE(same_bytes(routing.ids_TK, std::get<1>(at::topk(probs_TE, 3, 1))));
    const Tensor c_TK = random_tensor({7, 3}, 2);
    EXPECT_TRUE(close_to(gradients(routing.weights_TK, c_TK, {logits_TE})[0], gradients(want, c_TK, {logits_TE})[0], kSameMath64));
    EXPECT_TRUE(routing.logits_TE.is_same(logits_TE));
  }
}

/// The best `top_groups` groups by their best expert, then the best experts in them; brute force.
TEST(Route, GroupsLimitTheChoice) {
  const Tensor logits_TE = random_tensor({40, 12}, 5) * 3;
  const Tensor probs_TE = at::softmax(logits_TE, 1);
  RouterRule rule;
  rule.top_k = 5;
  rule.groups = 4;
  rule.top_groups = 2;
  rule.scale = 2.5;
  const Routing routing = route(logits_TE, rule);
  int64_t limited = 0;
  for (int64_t t = 0; t < 40; ++t) {
    const auto p = probs_TE.accessor<double, 2>()[t];
    std::vector<int64_t> groups = {0, 1, 2, 3}, allowed, all(12);
    const auto best = [&](int64_t g) { return std::max({p[3 * g], p[3 * g + 1], p[3 * g + 2]}); };
    std::sort(groups.begin(), groups.end(), [&](int64_t a, int64_t b) { return best(a) > best(b); });
    for (int64_t g = 0; g < 2; ++g) {
      for (int64_t e = 0; e < 3; ++e) allowed.push_back(3 * groups[static_cast<size_t>(g)] + e);
    }
    const auto by_value = [&](int64_t a, int64_t b) { return p[a] > p[b]; };
    std::sort(allowed.begin(), allowed.end(), by_value);
    std::iota(all.begin(), all.end(), int64_t{0});
    std::sort(all.begin(), all.end(), by_value);
    allowed.resize(5);
    all.resize(5);
    limited += allowed != all ? 1 : 0;
    EXPECT_TRUE(same_bytes(routing.ids_TK[t], ids(allowed))) << t;
    for (int64_t k = 0; k < 5; ++k) EXPECT_EQ(routing.weights_TK[t][k].item<double>(), 2.5 * p[allowed[static_cast<size_t>(k)]]);
  }
  EXPECT_GT(limited, 10) << "groups must matter";
}

/// DeepSeek's loss is 1 for even routing, whatever K is; per sequence it sees imbalance that the whole batch hides.
TEST(BalanceLoss, PerLayerAndPerSequence) {
  const Tensor logits_TE = at::zeros({8, 4}, at::TensorOptions(at::kDouble));
  for (int64_t t = 0; t < 8; ++t) logits_TE[t][t / 2].fill_(20);  // rows 0 to 3 want experts 0 and 1, rows 4 to 7 the others
  const Routing routing = route(logits_TE, {1, false});
  const std::vector<Routing> layers = {routing, routing};
  const std::vector<SequenceRows> sequences = {{0, 4}, {4, 4}};
  EXPECT_NEAR(balance_loss(Balance::per_layer, layers, sequences).item<double>(), 2, 1e-6);
  EXPECT_NEAR(balance_loss(Balance::per_sequence, layers, sequences).item<double>(), 4, 1e-6);
  EXPECT_NEAR(balance_loss(Balance::pooled, layers, sequences).item<double>(), 1, 1e-6);
}

TEST(Route, TiesGoToTheLowerIdInFp32) {
  const Tensor logits_TE = at::zeros({2, 4}, at::TensorOptions(at::kFloat));
  logits_TE.select(0, 1).copy_(at::tensor({0.0F, 1.0F, 1.0F, 1.0F}));
  EXPECT_TRUE(same_bytes(route(logits_TE, {2, false}).ids_TK, ids({0, 1, 1, 2}).view({2, 2})));
}

class Keeper : public Observer {
 public:
  void on_route(int64_t layer, const Routing& routing) override {
    layers.push_back(layer);
    seen.push_back(routing.ids_TK);
  }
  std::vector<int64_t> layers;
  std::vector<Tensor> seen;
};

TEST(MoeObservers, EachSeesTheRoutingOnceAndChangesNothing) {
  const Block b = make_block({}, 3);
  Keeper first, second;
  Observer* both[] = {&first, &second};
  const Tensor watched = moe_block(b.x_TD, b.weights, b.rule, b.adapters, 11, {}, both);
  EXPECT_TRUE(same_bytes(watched, b.out()));
  for (const Keeper* keeper : {&first, &second}) {
    ASSERT_EQ(keeper->layers, (std::vector<int64_t>{11}));
    EXPECT_TRUE(same_bytes(keeper->seen[0], plain_routing(b).ids_TK));
  }
}

TEST(OrderExperts, AdaptedFirst) {
  const MoeAdapters order = order_experts(std::vector<int64_t>{4, 1}, 6);
  EXPECT_EQ(order.hot, 2);
  EXPECT_EQ(order.expert_of, (std::vector<int64_t>{4, 1, 0, 2, 3, 5}));
  for (size_t j = 0; j < 6; ++j) EXPECT_EQ(order.ordinal_of[static_cast<size_t>(order.expert_of[j])], static_cast<int64_t>(j));
}

/// E · Σ_slot Σ_e f[slot,e] · P[e] over all rows of all layers, by one-hot as the published code has it.
Tensor plain_balance(const std::vector<Routing>& layers, int64_t experts) {
  std::vector<Tensor> probs, chosen;
  for (const Routing& one : layers) {
    probs.push_back(at::softmax(one.logits_TE, -1));
    chosen.push_back(at::one_hot(one.ids_TK, experts).to(at::kDouble));
  }
  return (at::cat(chosen).mean(0) * at::cat(probs).mean(0).unsqueeze(0)).sum() * static_cast<double>(experts);
}

TEST(BalanceLoss, EqualsTheOneHotFormWithGradients) {
  for (const int64_t k : {1, 2, 5}) {
    const Tensor a_TE = random_leaf({7, 5}, 4), b_TE = random_leaf({7, 5}, 5);
    const std::vector<Routing> layers = {route(a_TE, {k, false}), route(b_TE, {k, false})};
    const Tensor got = load_balancing_loss(layers), want = plain_balance(layers, 5), one = at::ones({}, at::TensorOptions(at::kDouble));
    EXPECT_TRUE(close_to(got, want, kSameMath64));
    const auto got_grad = gradients(got, one, {a_TE, b_TE}), want_grad = gradients(want, one, {a_TE, b_TE});
    for (size_t g = 0; g < 2; ++g) EXPECT_TRUE(close_to(got_grad[g], want_grad[g], kSameMath64, 1));  // exactly 0 for k = E
  }
}

TEST(BalanceLoss, EvenRoutingGivesTopKAndOneExpertGivesE) {
  const Tensor even_TE = at::eye(4, at::TensorOptions(at::kDouble));  // each expert is first choice once
  EXPECT_NEAR(load_balancing_loss(std::vector<Routing>{route(even_TE, {1, false})}).item<double>(), 1, 1e-12);
  EXPECT_NEAR(load_balancing_loss(std::vector<Routing>{route(even_TE, {4, false})}).item<double>(), 4, 1e-12);
  Tensor one_TE = at::zeros({6, 4}, at::TensorOptions(at::kDouble));
  one_TE.select(1, 2).fill_(1000);
  EXPECT_NEAR(load_balancing_loss(std::vector<Routing>{route(one_TE, {1, false})}).item<double>(), 4, 1e-12);
}

}  // namespace
}  // namespace hellora
