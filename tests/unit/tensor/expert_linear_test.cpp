// N rows sorted by expert, E experts, I inputs, O outputs, R rank.
#include "hellora/tensor/expert_linear.h"

#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"

namespace hellora {
namespace {

using namespace testing;

struct Case {
  std::vector<int64_t> rows;   // per expert
  std::vector<int64_t> ranks;  // of the leading experts
  int64_t in = 0, out = 0;
  bool low_apart = false;  // the low-rank parts read another input
};

struct Operands {
  Tensor x_NI, x_low_NI;
  std::vector<int64_t> offsets{0};
  std::vector<Tensor> w, leaves;  // leaves: x, x_low where apart, w…, A…, B…
  std::vector<LowRank> parts;
};

Operands make_operands(const Case& c, uint64_t seed, at::ScalarType dtype = at::kDouble) {
  Operands o;
  for (const int64_t count : c.rows) o.offsets.push_back(o.offsets.back() + count);
  o.x_NI = random_leaf({o.offsets.back(), c.in}, ++seed, dtype);
  o.leaves = {o.x_NI};
  if (c.low_apart) o.leaves.push_back(o.x_low_NI = random_leaf({o.offsets[c.ranks.size()], c.in}, ++seed, dtype));
  for (size_t e = 0; e < c.rows.size(); ++e) o.w.push_back(random_leaf({c.out, c.in}, ++seed, dtype));
  o.leaves.insert(o.leaves.end(), o.w.begin(), o.w.end());
  for (const int64_t rank : c.ranks) {
    o.parts.push_back(
        {random_leaf({rank, c.in}, ++seed, dtype), random_leaf({c.out, rank}, ++seed, dtype), 0.5 + static_cast<double>(rank)});
    o.leaves.push_back(o.parts.back().A_RI);
    o.leaves.push_back(o.parts.back().B_OR);
  }
  return o;
}

/// Expert by expert with plain operators.
Tensor plain(const Operands& o) {
  std::vector<Tensor> parts;
  for (size_t e = 0; e < o.w.size(); ++e) {
    const int64_t begin = o.offsets[e], count = o.offsets[e + 1] - begin;
    Tensor y = at::matmul(o.x_NI.narrow(0, begin, count), o.w[e].t());
    if (e < o.parts.size()) {
      const Tensor in = (o.x_low_NI.defined() ? o.x_low_NI : o.x_NI).narrow(0, begin, count);
      y = y + at::matmul(at::matmul(in, o.parts[e].A_RI.t()), o.parts[e].B_OR.t()) * o.parts[e].scale;
    }
    parts.push_back(y);
  }
  return at::cat(parts);
}

void expect_equals_plain(const Case& c, uint64_t seed) {
  const Operands o = make_operands(c, seed);
  const Tensor got = expert_linear(o.x_NI, o.x_low_NI, o.offsets, o.w, o.parts), want = plain(o);
  EXPECT_TRUE(close_to(got, want, kSameMath64));
  const Tensor c_NO = random_tensor(want.sizes(), seed + 1000);
  const auto got_grad = gradients(got, c_NO, o.leaves), want_grad = gradients(want, c_NO, o.leaves);
  for (size_t g = 0; g < o.leaves.size(); ++g) {
    // An expert without rows has no gradient, or zeros.
    const Tensor mine = got_grad[g].defined() ? got_grad[g] : at::zeros_like(want_grad[g]);
    EXPECT_TRUE(close_to(mine, want_grad[g], kSameMath64)) << "leaf " << g;
  }
}

TEST(ExpertLinear, EqualsPlainOperators) {
  const std::vector<Case> cases = {
      {{3, 4, 2}, {2, 2}, 8, 5, false},    {{3, 4, 2}, {2, 2}, 8, 5, true},  {{3, 0, 5}, {2, 1}, 6, 4, false},
      {{0, 3, 5}, {2, 1}, 6, 4, true},     {{0, 0, 9}, {1, 3}, 4, 7, false}, {{9, 0, 0}, {4}, 4, 7, true},
      {{1, 1, 1}, {1, 2, 3}, 3, 3, false}, {{4, 4}, {}, 5, 6, false},        {{5}, {8}, 2, 3, false},
      {{0, 0}, {2}, 3, 2, false},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    expect_equals_plain(cases[i], 100 * i);
  }
}

TEST(ExpertLinear, RandomSizes) {
  for (uint64_t round = 0; round < 30; ++round) {
    SCOPED_TRACE(round);
    Case c;
    const int64_t experts = random_int(1, 6, round, 0), hot = random_int(0, experts, round, 1);
    for (int64_t e = 0; e < experts; ++e) c.rows.push_back(random_int(0, 7, round, 10 + static_cast<uint64_t>(e)));
    for (int64_t e = 0; e < hot; ++e) c.ranks.push_back(random_int(1, 5, round, 30 + static_cast<uint64_t>(e)));
    c.in = random_int(1, 9, round, 2);
    c.out = random_int(1, 9, round, 3);
    c.low_apart = hot > 0 && random_int(0, 1, round, 4) == 1;
    expect_equals_plain(c, 1000 + 100 * round);
  }
}

TEST(ExpertLinear, FrozenWeightsGetNoGradientAndBf16IsWidened) {
  const Tensor x_NI = random_leaf({5, 8}, 1, at::kFloat), stored_OI = random_tensor({6, 8}, 2, at::kBFloat16);
  const std::vector<int64_t> offsets = {0, 2, 5};
  const Tensor stored = expert_linear(x_NI, {}, offsets, {stored_OI, stored_OI}, {});
  const Tensor wide = expert_linear(x_NI, {}, offsets, {stored_OI.to(at::kFloat), stored_OI.to(at::kFloat)}, {});
  EXPECT_TRUE(same_bytes(stored, wide));
  const Tensor c_NO = random_tensor({5, 6}, 3, at::kFloat);
  EXPECT_TRUE(same_bytes(gradients(stored, c_NO, {x_NI})[0], gradients(wide, c_NO, {x_NI})[0]));
}

TEST(ExpertLinear, SameBytesForAnyThreads) {
  for (const bool low_apart : {false, true}) {
    const Operands o = make_operands({{150, 3, 0, 270, 80}, {4, 16, 8}, 130, 200, low_apart}, 7, at::kFloat);
    const Tensor c_NO = random_tensor({503, 200}, 8, at::kFloat);
    expect_same_for_any_threads([&] {
      const Tensor y_NO = expert_linear(o.x_NI, o.x_low_NI, o.offsets, o.w, o.parts);
      std::vector<Tensor> out{y_NO};
      for (const Tensor& grad : gradients(y_NO, c_NO, o.leaves)) {
        if (grad.defined()) out.push_back(grad);
      }
      return out;
    });
  }
}

}  // namespace
}  // namespace hellora
