// The MoE block against kernels/reference.h and against plain operators, values and gradients, in fp64.
#include "hellora/kernels/reference.h"
#include "hellora/tensor/experts.h"
#include "tests/support/plain_adapter.h"
#include "tests/support/tolerances.h"
#include "tests/unit/moe/cases.h"

namespace hellora {
namespace {

using namespace testing;

/// The block by the plain loops of kernels/reference.h, on routing from a stable sort.
Tensor reference_out(const Block& b) {
  const at::NoGradGuard no_grad;
  std::vector<kernels::ReferenceExpert<double>> experts;
  for (int64_t e = 0; e < b.sizes.experts; ++e) {
    const auto data = [&](const Tensor& bank) { return bank.select(0, e).const_data_ptr<double>(); };
    kernels::ReferenceExpert<double> one{data(b.gate_EFD), data(b.up_EFD), data(b.down_EDF)};
    const auto m = static_cast<size_t>(b.adapters.ordinal_of[static_cast<size_t>(e)]);
    const auto adapt = [&](const Adapter* adapter, const double*& a, const double*& b_OR) {
      if (adapter == nullptr || m >= static_cast<size_t>(b.adapters.hot)) return;
      const LowRank part = low_rank_part(*adapter, m);
      a = part.A_RI.const_data_ptr<double>();
      b_OR = part.B_OR.const_data_ptr<double>();
      one.rank = b.sizes.rank;
      one.scale = part.scale;
    };
    adapt(b.adapters.gate, one.gate_A, one.gate_B);
    adapt(b.adapters.up, one.up_A, one.up_B);
    adapt(b.adapters.down, one.down_A, one.down_B);
    experts.push_back(one);
  }
  const PlainRouting routing = plain_routing(b);
  const Tensor ids_TK = routing.ids_TK.contiguous(), weights_TK = routing.weights_TK.contiguous();
  Tensor out_TD = at::empty_like(b.x_TD);
  kernels::reference_moe(experts, b.x_TD.const_data_ptr<double>(), ids_TK.const_data_ptr<int64_t>(), weights_TK.const_data_ptr<double>(),
                         b.sizes.tokens, b.rule.top_k, b.sizes.width, b.sizes.expert_width, out_TD.data_ptr<double>());
  return out_TD;
}

void expect_equals_plain(const Block& b, const StepContext& context = {}) {
  const Tensor got = b.out(context), want = plain_moe(b, context);
  EXPECT_TRUE(close_to(got, want, kSameMath64));
  const Tensor c_TD = random_tensor(want.sizes(), 99);
  const std::vector<Tensor> leaves = b.leaves();
  const auto got_grad = gradients(got, c_TD, leaves), want_grad = gradients(want, c_TD, leaves);
  const double floor = largest_of(want_grad);  // the router's gradient is exactly zero where its weights are constant
  for (size_t g = 0; g < leaves.size(); ++g) {
    const auto filled = [&](const Tensor& grad) { return grad.defined() ? grad : at::zeros_like(leaves[g]); };
    EXPECT_TRUE(close_to(filled(got_grad[g]), filled(want_grad[g]), kSameMath64, floor)) << (g == 0 ? "x" : b.set->specs()[g - 1].name);
  }
}

/// LoRA whose pairs also have a gate on the rank and a scale of the outputs: what SoRA, VeRA and AdaLoRA ask of the engine.
class Gated : public Adapter {
 public:
  Gated(const Adapter& lora, size_t members, uint64_t seed) : Adapter(Site{0, Slot::gate, 0, 0, {}}) {
    for (size_t m = 0; m < members; ++m) {
      parts_.push_back(low_rank_part(lora, m));
      parts_[m].gate_R = random_leaf({parts_[m].A_RI.size(0)}, seed + 2 * m);
      parts_[m].out_O = random_leaf({parts_[m].B_OR.size(0)}, seed + 2 * m + 1);
    }
  }
  Part part(size_t m) const override { return parts_[m]; }
  const std::vector<LowRank>& parts() const { return parts_; }

 private:
  std::vector<LowRank> parts_;
};

TEST(MoeBlock, GatesAndOutputScalesOfLowRankPartsEqualPlainOperators) {
  Block b = make_block({}, 12);
  const Gated gate(*b.adapters.gate, 2, 50), up(*b.adapters.up, 2, 60), down(*b.adapters.down, 2, 70);
  b.adapters.gate = &gate;
  b.adapters.up = &up;
  b.adapters.down = &down;
  for (const StepContext& context : {StepContext{}, StepContext{true, 0.4, 17, 1, 2, 3}}) {
    const Tensor got = b.out(context), want = plain_moe(b, context), c_TD = random_tensor(want.sizes(), 99);
    EXPECT_TRUE(close_to(got, want, kSameMath64));
    std::vector<Tensor> leaves{b.x_TD};
    for (const Gated* one : {&gate, &up, &down}) {
      for (const LowRank& p : one->parts()) leaves.insert(leaves.end(), {p.A_RI, p.B_OR, p.gate_R, p.out_O});
    }
    const auto got_grad = gradients(got, c_TD, leaves), want_grad = gradients(want, c_TD, leaves);
    for (size_t g = 0; g < leaves.size(); ++g) EXPECT_TRUE(close_to(got_grad[g], want_grad[g], kSameMath64 * 10)) << g;
  }
}

/// An adapter in the form that only it can apply.
class AsGeneral : public Adapter {
 public:
  explicit AsGeneral(const Adapter& inner) : Adapter(Site{0, Slot::gate, 0, 0, {}}), inner_(inner) {}
  Part part(size_t) const override { return General{}; }
  Tensor apply(const BaseCall& call, size_t m) const override {
    return plain_apply(inner_, m, call.x_low_NI.defined() ? call.x_low_NI : call.x_NI, call.y_NO);
  }

 private:
  const Adapter& inner_;
};

TEST(MoeBlock, GeneralPartsAreAppliedByTheAdapterItself) {
  const Block want = make_block({}, 13);
  for (const StepContext& context : {StepContext{}, StepContext{true, 0.4, 17, 1, 2, 3}}) {
    Block got = make_block({}, 13);
    const AsGeneral router(*got.adapters.router), gate(*got.adapters.gate), up(*got.adapters.up), down(*got.adapters.down);
    const Adapter* general[] = {&router, &gate, &up, &down};
    for (int which = 1; which < 16; ++which) {  // any of them may be general, beside low-rank ones
      if ((which & 1) != 0) got.adapters.router = general[0];
      if ((which & 2) != 0) got.adapters.gate = general[1];
      if ((which & 4) != 0) got.adapters.up = general[2];
      if ((which & 8) != 0) got.adapters.down = general[3];
      const Tensor one = got.out(context), other = want.out(context), c_TD = random_tensor(other.sizes(), 98);
      EXPECT_TRUE(close_to(one, other, kSameMath64)) << which;
      const auto got_grad = gradients(one, c_TD, got.leaves()), want_grad = gradients(other, c_TD, want.leaves());
      for (size_t g = 0; g < got_grad.size(); ++g) EXPECT_TRUE(close_to(got_grad[g], want_grad[g], kSameMath64 * 10)) << which << " " << g;
      got.adapters = make_block({}, 13).adapters;
      got.adapters.router = got.set->find(0, Slot::router);
      got.adapters.gate = got.set->find(0, Slot::gate);
      got.adapters.up = got.set->find(0, Slot::up);
      got.adapters.down = got.set->find(0, Slot::down);
    }
  }
}

/// Low-rank parts whose outputs are scaled together with the base's, as the engine takes them or by plain operators on the weight.
class OutputsScaled : public Adapter {
 public:
  OutputsScaled(const Adapter& inner, int64_t out, uint64_t seed, bool by_hand)
      : Adapter(Site{0, Slot::gate, 0, 0, {}}), inner_(inner), by_hand_(by_hand) {
    for (uint64_t m = 0; m < 2; ++m) q_O.push_back(random_leaf({out}, seed + m));
  }
  Part part(size_t m) const override {
    if (by_hand_) return General{};
    return Scaled{low_rank_part(inner_, m), [this, m](const kernels::Packed&) { return q_O[m]; }};
  }
  Tensor apply(const BaseCall& call, size_t m) const override {
    const Tensor x_low = call.x_low_NI.defined() ? call.x_low_NI : call.x_NI, base_of_low = at::matmul(x_low, dense(call.frozen).t());
    return call.y_NO - base_of_low + q_O[m] * plain_apply(inner_, m, x_low, base_of_low);
  }
  std::vector<Tensor> q_O;

 private:
  const Adapter& inner_;
  bool by_hand_;
};

TEST(MoeBlock, ScaledOutputsEqualPlainOperators) {
  for (const StepContext& context : {StepContext{}, StepContext{true, 0.4, 17, 1, 2, 3}}) {
    for (int which = 1; which < 8; ++which) {  // any of the projections may be scaled, beside low-rank ones
      std::vector<std::vector<Tensor>> seen;
      for (const bool by_hand : {false, true}) {
        Block b = make_block({}, 14);
        const OutputsScaled gate(*b.adapters.gate, 6, 50, by_hand), up(*b.adapters.up, 6, 60, by_hand),
            down(*b.adapters.down, 8, 70, by_hand);
        if ((which & 1) != 0) b.adapters.gate = &gate;
        if ((which & 2) != 0) b.adapters.up = &up;
        if ((which & 4) != 0) b.adapters.down = &down;
        const Tensor out = b.out(context);
        std::vector<Tensor> leaves = b.leaves();
        for (const OutputsScaled* one : {&gate, &up, &down}) leaves.insert(leaves.end(), one->q_O.begin(), one->q_O.end());
        seen.push_back(gradients(out, random_tensor(out.sizes(), 98), leaves));
        seen.back().push_back(out);
      }
      for (size_t i = 0; i < seen[0].size(); ++i) EXPECT_TRUE(close_to(seen[0][i], seen[1][i], kSameMath64 * 10)) << which << " " << i;
    }
  }
}

TEST(MoeBlock, ScaledOutputsHaveTheSameBytesForAnyThreads) {
  BlockSizes sizes;
  sizes.tokens = 200;
  Block b = make_block(sizes, 15);
  const OutputsScaled gate(*b.adapters.gate, 6, 50, false), down(*b.adapters.down, 8, 70, false);
  b.adapters.gate = &gate;
  b.adapters.down = &down;
  std::vector<Tensor> leaves = b.leaves();
  for (const OutputsScaled* one : {&gate, &down}) leaves.insert(leaves.end(), one->q_O.begin(), one->q_O.end());
  expect_same_for_any_threads([&] {
    const Tensor out = b.out({true, 0.4, 17, 1, 2, 3});
    auto all = gradients(out, random_tensor(out.sizes(), 98), leaves);
    all.push_back(out);
    return all;
  });
}

void expect_right(const BlockSizes& sizes, uint64_t seed) {
  const Block b = make_block(sizes, seed);
  if (sizes.method == "lora") {
    EXPECT_TRUE(close_to(b.out(), reference_out(b), kSameMath64));
  }
  expect_equals_plain(b);
}

BlockSizes random_sizes(uint64_t seed) {
  BlockSizes s;
  s.tokens = random_int(1, 14, seed, 0);
  s.experts = random_int(1, 8, seed, 1);
  s.top_k = random_int(1, s.experts, seed, 2);
  s.width = random_int(1, 10, seed, 3);
  s.expert_width = random_int(1, 10, seed, 4);
  s.rank = random_int(1, 4, seed, 5);
  s.renormalize = random_int(0, 1, seed, 6) == 1;
  s.hot.clear();
  for (int64_t e = 0; e < s.experts; ++e) {
    if (random_int(0, 1, seed, 20 + static_cast<uint64_t>(e)) == 1) s.hot.push_back(e);
  }
  s.adapted.clear();
  for (const Slot slot : {Slot::router, Slot::gate, Slot::up, Slot::down}) {
    if (random_int(0, 3, seed, 40 + static_cast<uint64_t>(slot)) > 0) s.adapted.push_back(slot);
  }
  return s;
}

TEST(MoeBlock, RandomSizes) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    expect_right(random_sizes(seed), 1000 * (seed + 1));
  }
}

TEST(MoeBlock, FullTrainingOfExperts) {
  for (uint64_t seed = 100; seed < 110; ++seed) {
    SCOPED_TRACE(seed);
    BlockSizes sizes = random_sizes(seed);
    sizes.method = "full";
    expect_right(sizes, 1000 * seed);
  }
}

TEST(MoeBlock, EveryExpertChosen) {
  for (const bool renormalize : {false, true}) {
    BlockSizes sizes;
    sizes.top_k = sizes.experts;
    sizes.renormalize = renormalize;
    expect_right(sizes, 3);
  }
}

/// Gives every token a first feature of 1 and biases the router with it.
Block steered(const BlockSizes& sizes, const std::vector<double>& bias_E) {
  Block b = make_block(sizes, 4);
  b.x_TD.detach().select(1, 0).fill_(1);
  b.router_ED.select(1, 0).copy_(at::tensor(bias_E, at::TensorOptions(at::kDouble)));
  b.pack();
  return b;
}

TEST(MoeBlock, AllRowsToOneExpert) {
  for (const int64_t expert : {1, 2}) {  // an adapted and a frozen one
    BlockSizes sizes;
    sizes.top_k = 1;
    sizes.adapted = {Slot::gate, Slot::up, Slot::down};
    std::vector<double> bias(5, 0);
    bias[static_cast<size_t>(expert)] = 100;
    const Block b = steered(sizes, bias);
    ASSERT_TRUE((plain_routing(b).ids_TK == expert).all().item<bool>());
    EXPECT_TRUE(close_to(b.out(), reference_out(b), kSameMath64));
    expect_equals_plain(b);
  }
}

TEST(MoeBlock, AdaptedExpertWithoutRows) {
  BlockSizes sizes;
  sizes.adapted = {Slot::gate, Slot::up, Slot::down};
  const Block b = steered(sizes, {0, -100, 0, 0, 0});
  ASSERT_FALSE((plain_routing(b).ids_TK == 1).any().item<bool>());
  EXPECT_TRUE(close_to(b.out(), reference_out(b), kSameMath64));
  expect_equals_plain(b);
}

TEST(MoeBlock, TiesGoToTheLowerId) {
  BlockSizes sizes;
  sizes.adapted = {Slot::gate, Slot::up, Slot::down};
  sizes.renormalize = true;
  Block b = make_block(sizes, 5);
  b.router_ED.zero_();  // every logit is exactly 0
  b.pack();
  const Tensor want_TK = at::arange(2, at::TensorOptions(at::kLong)).expand({9, 2});
  EXPECT_TRUE(same_bytes(plain_routing(b).ids_TK, want_TK));
  EXPECT_TRUE(close_to(b.out(), reference_out(b), kSameMath64));
  expect_equals_plain(b);
}

TEST(MoeBlock, DropoutFollowsTokenAndExpert) {
  for (uint64_t seed = 200; seed < 210; ++seed) {
    SCOPED_TRACE(seed);
    const Block b = make_block(random_sizes(seed), 1000 * seed);
    const StepContext context{true, 0.4, 17, 1, 2, 3};
    expect_equals_plain(b, context);
  }
  const Block b = make_block({}, 6);
  EXPECT_FALSE(close_to(b.out({true, 0.4, 17, 1, 2, 3}), b.out(), 1e-3));
  EXPECT_TRUE(same_bytes(b.out({false, 0.4, 17, 1, 2, 3}), b.out())) << "no dropout outside training";
}

TEST(MoeBlock, DropoutWhenOnlyOneOfGateAndUpIsAdapted) {
  for (const Slot slot : {Slot::gate, Slot::up, Slot::down}) {
    BlockSizes sizes;
    sizes.adapted = {slot};
    expect_equals_plain(make_block(sizes, 8), {true, 0.4, 17, 1, 2, 3});
  }
}

TEST(MoeBlock, SeveralBlocksOfColumns) {
  BlockSizes sizes;
  sizes.tokens = 30;
  sizes.width = 290;
  sizes.expert_width = 270;
  expect_right(sizes, 11);
}

TEST(MoeBlock, OnlyRowsOfAdaptedExpertsGoThroughAdapters) {
  BlockSizes sizes;
  sizes.tokens = 60;
  sizes.adapted = {Slot::gate, Slot::up, Slot::down};
  const Block b = make_block(sizes, 9);
  const Tensor ids_TK = plain_routing(b).ids_TK;
  const auto hot = ((ids_TK == 1) | (ids_TK == 3)).sum().item<int64_t>();
  ASSERT_GT(hot, 0);
  ASSERT_LT(hot, ids_TK.numel());
  const int64_t start = low_rank_rows();
  const Tensor out_TD = b.out();
  EXPECT_EQ(low_rank_rows() - start, 3 * hot);  // x A of gate and up, h A of down
  gradients(out_TD, at::ones_like(out_TD), b.leaves());
  EXPECT_EQ(low_rank_rows() - start, 6 * hot);  // and dy B of all three
}

TEST(MoeBlock, SameBytesForAnyThreads) {
  BlockSizes sizes;
  sizes.tokens = 150;
  sizes.width = 130;
  sizes.expert_width = 150;
  const Block b = make_block(sizes, 7);
  const Tensor c_TD = random_tensor({150, 130}, 8);
  expect_same_for_any_threads([&] {
    const Tensor out_TD = b.out();
    auto all = gradients(out_TD, c_TD, b.leaves());
    all.push_back(out_TD);
    return all;
  });
}

}  // namespace
}  // namespace hellora
