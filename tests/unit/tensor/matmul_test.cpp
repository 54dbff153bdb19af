// N rows, I inputs, O outputs; sizes around the tile of 128.
#include "hellora/tensor/matmul.h"

#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"

namespace hellora {
namespace {

using namespace testing;

constexpr std::array<std::array<int64_t, 3>, 6> kSizes = {
    {{1, 1, 1}, {5, 7, 3}, {9, 128, 128}, {3, 129, 127}, {17, 40, 300}, {4, 300, 130}}};

TEST(Matmul, ProductsEqualPlainOnes) {
  uint64_t seed = 0;
  for (const auto& [n, i, o] : kSizes) {
    const Tensor x_NI = random_tensor({n, i}, ++seed), w_OI = random_tensor({o, i}, ++seed), dy_NO = random_tensor({n, o}, ++seed);
    EXPECT_TRUE(close_to(matmul_nt(x_NI, w_OI), at::matmul(x_NI, w_OI.t()), kSameMath64));
    EXPECT_TRUE(close_to(matmul_nn(dy_NO, w_OI), at::matmul(dy_NO, w_OI), kSameMath64));
    EXPECT_TRUE(close_to(matmul_tn(dy_NO, x_NI), at::matmul(dy_NO.t(), x_NI), kSameMath64));
  }
}

TEST(Matmul, ReadsViewsOfOtherTensors) {
  const Tensor wide_NI = random_tensor({6, 20}, 1), w_OI = random_tensor({10, 8}, 2);
  const Tensor x_NI = wide_NI.narrow(1, 5, 8);
  EXPECT_TRUE(close_to(matmul_nt(x_NI, w_OI), at::matmul(x_NI, w_OI.t()), kSameMath64));
  const Tensor turned_OI = random_tensor({8, 10}, 3).t();
  EXPECT_TRUE(close_to(matmul_nt(x_NI, turned_OI), at::matmul(x_NI, turned_OI.t()), kSameMath64));
}

TEST(Matmul, NoRows) {
  const Tensor none_NI = at::empty({0, 8}, at::TensorOptions(at::kDouble)), w_OI = random_tensor({5, 8}, 1);
  EXPECT_EQ(matmul_nt(none_NI, w_OI).sizes(), (at::IntArrayRef{0, 5}));
  const Tensor none_NO = at::empty({0, 5}, at::TensorOptions(at::kDouble));
  EXPECT_EQ(matmul_nn(none_NO, w_OI).sizes(), (at::IntArrayRef{0, 8}));
  EXPECT_TRUE(same_bytes(matmul_tn(none_NO, none_NI), at::zeros({5, 8}, at::TensorOptions(at::kDouble))));
}

TEST(Matmul, StoredBf16IsWidenedExactly) {
  const Tensor x_NI = random_tensor({7, 60}, 1, at::kFloat), stored_OI = random_tensor({150, 60}, 2, at::kBFloat16);
  EXPECT_TRUE(same_bytes(matmul_nt(x_NI, stored_OI), matmul_nt(x_NI, stored_OI.to(at::kFloat))));
  const Tensor dy_NO = random_tensor({7, 150}, 3, at::kFloat);
  EXPECT_TRUE(same_bytes(matmul_nn(dy_NO, stored_OI), matmul_nn(dy_NO, stored_OI.to(at::kFloat))));
}

TEST(TiledLinear, GradientsEqualPlainOnes) {
  uint64_t seed = 50;
  for (const auto& [n, i, o] : kSizes) {
    const Tensor x_NI = random_leaf({n, i}, ++seed), w_OI = random_leaf({o, i}, ++seed), c_NO = random_tensor({n, o}, ++seed);
    const auto got = gradients(tiled_linear(x_NI, w_OI), c_NO, {x_NI, w_OI});
    const auto want = gradients(at::matmul(x_NI, w_OI.t()), c_NO, {x_NI, w_OI});
    for (size_t g = 0; g < 2; ++g) EXPECT_TRUE(close_to(got[g], want[g], kSameMath64)) << g;
  }
}

TEST(TiledLinear, FrozenSidesGetNoGradient) {
  const Tensor x_NI = random_tensor({3, 5}, 1), w_OI = random_tensor({4, 5}, 2), c_NO = random_tensor({3, 4}, 3);
  EXPECT_FALSE(tiled_linear(x_NI, w_OI).requires_grad());
  const Tensor leaf_NI = random_leaf({3, 5}, 1), leaf_OI = random_leaf({4, 5}, 2);
  EXPECT_TRUE(close_to(gradients(tiled_linear(leaf_NI, w_OI), c_NO, {leaf_NI})[0], at::matmul(c_NO, w_OI), kSameMath64));
  EXPECT_TRUE(close_to(gradients(tiled_linear(x_NI, leaf_OI), c_NO, {leaf_OI})[0], at::matmul(c_NO.t(), x_NI), kSameMath64));
}

TEST(Matmul, SameBytesForAnyThreads) {
  for (const auto& [n, i, o] : {std::array<int64_t, 3>{200, 257, 500}, std::array<int64_t, 3>{300, 500, 90}}) {
    const Tensor x_NI = random_tensor({n, i}, 1, at::kFloat), w_OI = random_tensor({o, i}, 2, at::kFloat),
                 dy_NO = random_tensor({n, o}, 3, at::kFloat);
    expect_same_for_any_threads([&] { return std::vector<Tensor>{matmul_nt(x_NI, w_OI), matmul_nn(dy_NO, w_OI), matmul_tn(dy_NO, x_NI)}; });
  }
}

}  // namespace
}  // namespace hellora
