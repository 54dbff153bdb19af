// Linear maps on the engine against plain operators: several maps of one input, low-rank parts, trainable weights, dropout inputs.
// N rows, I inputs, O outputs, R rank.
#include "hellora/tensor/linear.h"

#include "hellora/tensor/frozen.h"
#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"

namespace hellora {
namespace {

using namespace testing;

struct MapCase {
  int64_t out = 0, rank = 0;  // rank 0: no low-rank part
  bool own = false, gated = false, scaled = false;
};

struct Operands {
  Tensor x_NI, x_low_NI;
  std::vector<Tensor> w;
  std::vector<LinearMap> maps;
  std::vector<Tensor> leaves;  // x, x_low where apart, then A, B, own of each map
  FrozenWeights arena;
};

Operands make_operands(int64_t rows, int64_t in, const std::vector<MapCase>& cases, bool low_apart, uint64_t seed,
                       at::ScalarType dtype = at::kDouble, bool bf16_weights = false) {
  Operands o;
  o.x_NI = random_leaf({rows, in}, ++seed, dtype);
  o.leaves = {o.x_NI};
  if (low_apart) o.leaves.push_back(o.x_low_NI = random_leaf({rows, in}, ++seed, dtype));
  for (const MapCase& c : cases) {
    o.w.push_back(c.own ? random_leaf({c.out, in}, ++seed, dtype) : random_tensor({c.out, in}, ++seed, dtype));
    LinearMap map{
        o.arena.add(c.own ? at::zeros_like(o.w.back()) : o.w.back(), bf16_weights ? kernels::WeightType::bf16 : store_of(dtype)), {}, {}};
    if (c.own) {
      map.own = o.w.back();
      o.leaves.push_back(o.w.back());
    }
    if (c.rank > 0) {
      map.low_rank = {random_leaf({c.rank, in}, ++seed, dtype), random_leaf({c.out, c.rank}, ++seed, dtype),
                      0.5 + static_cast<double>(c.rank)};
      o.leaves.push_back(map.low_rank.A_RI);
      o.leaves.push_back(map.low_rank.B_OR);
      if (c.gated) o.leaves.push_back(map.low_rank.gate_R = random_leaf({c.rank}, ++seed, dtype));
      if (c.scaled) o.leaves.push_back(map.low_rank.out_O = random_leaf({c.out}, ++seed, dtype));
    }
    o.maps.push_back(map);
  }
  return o;
}

Tensor plain(const Operands& o) {
  std::vector<Tensor> parts;
  for (size_t i = 0; i < o.maps.size(); ++i) {
    Tensor y = at::matmul(o.x_NI, o.w[i].t());
    const LowRank& low = o.maps[i].low_rank;
    if (low.A_RI.defined()) {
      Tensor u = at::matmul(o.x_low_NI.defined() ? o.x_low_NI : o.x_NI, low.A_RI.t());
      if (low.gate_R.defined()) u = u * low.gate_R;
      Tensor part = at::matmul(u, low.B_OR.t()) * low.scale;
      if (low.out_O.defined()) part = part * low.out_O;
      y = y + part;
    }
    parts.push_back(y);
  }
  return at::cat(parts, 1);
}

Tensor engine(const Operands& o, const Compute& compute = {}) { return at::cat(linear(o.x_NI, o.x_low_NI, o.maps, compute), 1); }

void expect_equal(const Operands& o, double bound, const Compute& compute = {}) {
  const Tensor got = engine(o, compute), want = plain(o);
  EXPECT_TRUE(close_to(got, want, bound));
  const Tensor c = random_tensor(want.sizes(), 77, want.scalar_type());
  const auto got_grad = gradients(got, c, o.leaves), want_grad = gradients(want, c, o.leaves);
  for (size_t g = 0; g < o.leaves.size(); ++g) EXPECT_TRUE(close_to(got_grad[g], want_grad[g], bound * 10)) << "gradient " << g;
}

TEST(Linear, EqualsPlainOperatorsInFp64) {
  uint64_t seed = 0;
  for (const auto& [rows, in] : {std::pair<int64_t, int64_t>{1, 1}, {9, 40}, {70, 33}}) {
    expect_equal(make_operands(rows, in, {{7, 0, false}}, false, seed += 100), kSameMath64);
    expect_equal(make_operands(rows, in, {{40, 3, false}, {5, 0, false}, {33, 8, false}}, false, seed += 100), kSameMath64);
    expect_equal(make_operands(rows, in, {{40, 3, false}, {5, 2, false}}, true, seed += 100), kSameMath64);
    expect_equal(make_operands(rows, in, {{12, 0, true}, {9, 2, false}}, false, seed += 100), kSameMath64);
    expect_equal(make_operands(rows, in, {{40, 3, false, true, true}, {5, 2, false, true}, {9, 4, false, false, true}}, true, seed += 100),
                 kSameMath64);
  }
}

TEST(Linear, Fp32ArithmeticIsCloseToFp64) {
  expect_equal(make_operands(50, 70, {{90, 4, false}, {31, 0, false}}, false, 5, at::kFloat), kSameMath32);
}

TEST(Linear, Bf16ProductsAreCloseWithinTheirRounding) {
  constexpr double kBf16 = 2e-2;  // operands carry 8 bits
  expect_equal(make_operands(50, 70, {{90, 4, false}, {31, 0, false}}, false, 6, at::kFloat, true), kBf16,
               {kernels::Math::bf16, at::kFloat});
  expect_equal(make_operands(50, 70, {{90, 4, false}, {31, 0, false}}, false, 7, at::kFloat), kBf16, {kernels::Math::full, at::kBFloat16});
}

TEST(Linear, ZeroBLeavesEveryBit) {
  Operands o = make_operands(20, 64, {{48, 8, false}}, false, 8, at::kFloat);
  o.maps[0].low_rank.B_OR.detach().zero_();
  const Tensor with = engine(o);
  o.maps[0].low_rank = {};
  EXPECT_TRUE(same_bytes(with, engine(o)));
}

TEST(Linear, NoRowsGiveNoRows) {
  const Operands o = make_operands(0, 16, {{8, 2, false}}, false, 9);
  EXPECT_EQ(engine(o).size(0), 0);
}

TEST(Linear, SameBytesForAnyThreads) {
  const Operands o = make_operands(150, 130, {{140, 8, false}, {70, 0, true}}, false, 10, at::kFloat);
  const Tensor c = random_tensor({150, 210}, 11, at::kFloat);
  expect_same_for_any_threads([&] {
    const Tensor y = engine(o);
    auto all = gradients(y, c, o.leaves);
    all.push_back(y);
    return all;
  });
}

}  // namespace
}  // namespace hellora
