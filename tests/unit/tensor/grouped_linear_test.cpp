// Linear maps on the engine against plain operators: several maps of one input, one group of rows or many, low-rank parts with gates
// per row, trainable weights, dropout inputs, gradients of their own for the factors. N rows, I inputs, O outputs, R rank, G groups.
#include "hellora/tensor/grouped_linear.h"

#include "hellora/tensor/frozen.h"
#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"

namespace hellora {
namespace {

using namespace testing;

enum class Input : uint8_t { same, apart };

struct MapCase {
  int64_t out = 0;
  std::vector<int64_t> ranks;  // of the first groups
  bool own = false, gated = false, scaled = false, row_gates = false, regraded = false;
};

struct Case {
  std::vector<int64_t> counts = {1};  // rows of each group
  int64_t in = 1;
  std::vector<MapCase> maps;
  Input low = Input::same;
  std::vector<int64_t> gather;  // input row of each row; empty: the rows themselves
};

struct Operands {
  Tensor x, x_low_NI;
  RowGroups groups;
  std::vector<std::vector<Tensor>> w;  // of each map and group
  std::vector<GroupedMap> maps;
  std::vector<Tensor> leaves;
  FrozenWeights arena;
};

Operands make_operands(const Case& c, uint64_t seed, at::ScalarType dtype = at::kDouble, bool bf16_weights = false) {
  Operands o;
  o.groups.offsets = {0};
  for (const int64_t count : c.counts) o.groups.offsets.push_back(o.groups.offsets.back() + count);
  o.groups.row_N = c.gather;
  if (!c.gather.empty()) {  // backwards: any order is one
    for (size_t g = c.counts.size(); g-- > 0;) o.groups.sequence.push_back(static_cast<int64_t>(g));
  }
  const auto leaf = [&](at::IntArrayRef sizes) {
    o.leaves.push_back(random_leaf(sizes, ++seed, dtype));
    return o.leaves.back();
  };
  const int64_t rows = c.gather.empty() ? o.groups.offsets.back() : *std::max_element(c.gather.begin(), c.gather.end()) + 1;
  o.x = leaf({rows, c.in});
  size_t adapted = 0;
  for (const MapCase& one : c.maps) adapted = std::max(adapted, one.ranks.size());
  if (c.low == Input::apart) o.x_low_NI = leaf({o.groups.offsets[adapted], c.in});
  for (const MapCase& one : c.maps) {
    GroupedMap map;
    std::vector<Tensor> w;
    for (size_t g = 0; g < c.counts.size(); ++g) {
      w.push_back(one.own ? leaf({one.out, c.in}) : random_tensor({one.out, c.in}, ++seed, dtype));
      if (one.own) map.own.push_back(w.back());
      map.frozen.push_back(
          o.arena.add(one.own ? at::zeros_like(w.back()) : w.back(), bf16_weights ? kernels::WeightType::bf16 : store_of(dtype)));
    }
    int64_t widest = 0;
    for (const int64_t rank : one.ranks) {
      LowRank low{leaf({rank, c.in}), leaf({one.out, rank}), 0.5 + static_cast<double>(rank)};
      if (one.gated) low.gate_R = leaf({rank});
      if (one.scaled) low.out_O = leaf({one.out});
      if (one.regraded) low.grad_O = random_tensor({one.out}, ++seed, dtype);
      map.low_rank.push_back(low);
      widest = std::max(widest, rank);
    }
    if (one.row_gates) map.gate_NR = leaf({o.groups.offsets[one.ranks.size()], widest});
    o.w.push_back(w);
    o.maps.push_back(map);
  }
  return o;
}

/// y + low, where the factors see low's gradient times factor and the input sees it as it is.
Tensor with_own_gradient(const Tensor& u_of_x, const Tensor& u_of_factors, const Tensor& b, const Tensor& factor_O) {
  const Tensor value = at::matmul(u_of_x, b.detach().t()), factors = at::matmul(u_of_factors, b.t()) * factor_O;
  return value + factors - factors.detach();
}

Tensor plain(const Operands& o) {
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < o.maps.size(); ++i) {
    const GroupedMap& map = o.maps[i];
    std::vector<Tensor> groups;
    for (size_t g = 0; g < o.w[i].size(); ++g) {
      const int64_t first = o.groups.offsets[g], count = o.groups.offsets[g + 1] - first;
      const Tensor x =
          o.groups.row_N.empty() ? o.x.narrow(0, first, count) : o.x.index_select(0, at::tensor(o.groups.row_N).narrow(0, first, count));
      Tensor y = at::matmul(x, o.w[i][g].t());
      if (g < map.low_rank.size()) {
        const LowRank& low = map.low_rank[g];
        const Tensor input = o.x_low_NI.defined() ? o.x_low_NI.narrow(0, first, count) : x;
        const auto activation = [&](const Tensor& in, const Tensor& a) {
          Tensor u = at::matmul(in, a.t());
          if (low.gate_R.defined()) u = u * low.gate_R;
          if (map.gate_NR.defined()) u = u * map.gate_NR.narrow(0, first, count).narrow(1, 0, low.rank());
          return u;
        };
        Tensor part = low.grad_O.defined() ? with_own_gradient(activation(input, low.A_RI.detach()), activation(input.detach(), low.A_RI),
                                                               low.B_OR, low.grad_O)
                                           : at::matmul(activation(input, low.A_RI), low.B_OR.t());
        if (low.out_O.defined()) part = part * low.out_O;
        y = y + part * low.scale;
      }
      groups.push_back(y);
    }
    outputs.push_back(at::cat(groups));
  }
  return at::cat(outputs, 1);
}

Tensor engine(const Operands& o, const Compute& compute = {}) {
  return at::cat(grouped_linear(o.x, o.x_low_NI, o.groups, o.maps, compute), 1);
}

void expect_equal(const Operands& o, double bound, const Compute& compute = {}) {
  const Tensor got = engine(o, compute), want = plain(o);
  EXPECT_TRUE(close_to(got, want, bound));
  const Tensor c = random_tensor(want.sizes(), 77, want.scalar_type());
  const auto got_grad = gradients(got, c, o.leaves), want_grad = gradients(want, c, o.leaves);
  for (size_t g = 0; g < o.leaves.size(); ++g) EXPECT_TRUE(close_to(got_grad[g], want_grad[g], bound * 10)) << "gradient " << g;
}

TEST(GroupedLinear, OneGroupEqualsPlainOperators) {
  uint64_t seed = 0;
  for (const auto& [rows, in] : {std::pair<int64_t, int64_t>{1, 1}, {9, 40}, {70, 33}}) {
    const auto check = [&, count = rows, width = in](std::vector<MapCase> maps, Input low = Input::same) {
      expect_equal(make_operands({{count}, width, std::move(maps), low, {}}, seed += 100), kSameMath64);
    };
    check({{7, {}}});
    check({{40, {3}}, {5, {}}, {33, {8}}});
    check({{40, {3}}, {5, {2}}}, Input::apart);
    check({{12, {}, true}, {9, {2}}});
    check({{40, {3}, false, true, true}, {5, {2}, false, true}, {9, {4}, false, false, true}}, Input::apart);
  }
}

TEST(GroupedLinear, GroupsEqualPlainOperators) {
  const std::vector<int64_t> counts = {20, 0, 33, 1, 7};
  std::vector<int64_t> gather(61);
  for (size_t n = 0; n < gather.size(); ++n) gather[n] = static_cast<int64_t>(n * 7 % 23);  // 23 input rows, read several times
  uint64_t seed = 1000;
  for (const std::vector<int64_t>& rows : {std::vector<int64_t>(), gather}) {
    for (const Input low : {Input::same, Input::apart}) {
      expect_equal(make_operands({counts, 40, {{36, {3, 5, 2}}, {9, {}}}, low, rows}, seed += 100), kSameMath64);
      expect_equal(make_operands({counts, 33, {{36, {3, 3, 3, 3}}, {9, {2}}}, low, rows}, seed += 100), kSameMath64);
    }
    expect_equal(make_operands({counts, 40, {{12, {}, true}, {34, {4, 2, 1}}}, Input::same, rows}, seed += 100), kSameMath64);
  }
}

TEST(GroupedLinear, GatesOfRowsAreFactorsOfTheRanks) {
  uint64_t seed = 2000;
  for (const Input low : {Input::same, Input::apart}) {
    expect_equal(make_operands({{50}, 40, {{36, {5}, false, false, false, true}, {9, {2}}}, low, {}}, seed += 100), kSameMath64);
    expect_equal(make_operands({{20, 0, 33}, 40, {{36, {3, 5, 2}, false, false, false, true}}, low, {}}, seed += 100), kSameMath64);
  }
}

TEST(GroupedLinear, FactorsMaySeeAnotherGradient) {
  uint64_t seed = 3000;
  for (const Input low : {Input::same, Input::apart}) {
    expect_equal(make_operands({{50}, 40, {{36, {5}, false, false, false, false, true}, {9, {2}}}, low, {}}, seed += 100), kSameMath64);
    expect_equal(make_operands({{20, 9, 33}, 40, {{36, {3, 5}, false, false, false, false, true}}, low, {}}, seed += 100), kSameMath64);
  }
}

TEST(GroupedLinear, Fp32ArithmeticIsCloseToFp64) {
  expect_equal(make_operands({{50}, 70, {{90, {4}}, {31, {}}}, Input::same, {}}, 5, at::kFloat), kSameMath32);
}

TEST(GroupedLinear, Bf16ProductsAreCloseWithinTheirRounding) {
  constexpr double kBf16 = 2e-2;  // operands carry 8 bits
  const Case c = {{50}, 70, {{90, {4}}, {31, {}}}, Input::same, {}};
  expect_equal(make_operands(c, 6, at::kFloat, true), kBf16, {kernels::Math::bf16, at::kFloat});
  expect_equal(make_operands(c, 7, at::kFloat), kBf16, {kernels::Math::full, at::kBFloat16});
}

TEST(GroupedLinear, ZeroBLeavesEveryBit) {
  Operands o = make_operands({{20}, 64, {{48, {8}}}, Input::same, {}}, 8, at::kFloat);
  o.maps[0].low_rank[0].B_OR.detach().zero_();
  const Tensor with = engine(o);
  o.maps[0].low_rank.clear();
  EXPECT_TRUE(same_bytes(with, engine(o)));
}

TEST(GroupedLinear, NoRowsGiveNoRows) {
  const Operands o = make_operands({{0}, 16, {{8, {2}}}, Input::same, {}}, 9);
  EXPECT_EQ(engine(o).size(0), 0);
}

/// Gradients of an input row that several groups read are added up in the given order, bit for bit.
TEST(GroupedLinear, AddsUpGroupsInTheirSequence) {
  std::vector<int64_t> gather(150);
  for (size_t n = 0; n < gather.size(); ++n) gather[n] = static_cast<int64_t>(n % 50);
  const Operands o = make_operands({{50, 50, 50}, 64, {{48, {4}}}, Input::same, gather}, 13, at::kFloat);
  const Tensor c = random_tensor({150, 48}, 14, at::kFloat);
  const auto dx_of = [&](const Tensor& dy) { return gradients(engine(o), dy, {o.x})[0]; };
  Tensor want = at::zeros_like(o.x.detach());
  for (const int64_t g : o.groups.sequence) {
    const int64_t first = o.groups.offsets[static_cast<size_t>(g)], last = o.groups.offsets[static_cast<size_t>(g) + 1];
    Tensor own = at::zeros_like(c);
    own.narrow(0, first, last - first).copy_(c.narrow(0, first, last - first));
    want = want + dx_of(own);
  }
  EXPECT_TRUE(same_bytes(dx_of(c), want));
}

TEST(GroupedLinear, SameBytesForAnyThreads) {
  std::vector<int64_t> gather(150);
  for (size_t n = 0; n < gather.size(); ++n) gather[n] = static_cast<int64_t>(n % 50);
  const Operands one = make_operands({{150}, 130, {{140, {8}}, {70, {}, true}}, Input::same, {}}, 10, at::kFloat);
  const Operands many =
      make_operands({{40, 60, 50}, 130, {{140, {8, 4}, false, false, false, true}, {70, {}, true}}, Input::same, gather}, 12, at::kFloat);
  const Tensor c = random_tensor({150, 210}, 11, at::kFloat);
  for (const Operands* o : {&one, &many}) {
    expect_same_for_any_threads([&] {
      const Tensor y = engine(*o);
      auto all = gradients(y, c, o->leaves);
      all.push_back(y);
      return all;
    });
  }
}

}  // namespace
}  // namespace hellora
