// T rows, D width.
#include "hellora/tensor/rms_norm.h"

#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"

namespace hellora {
namespace {

using namespace testing;

TEST(RmsNorm, EqualsTorchWithGradients) {
  for (const int64_t width : {1, 7, 64}) {
    const Tensor x_TD = random_leaf({5, width}, 1), weight_D = random_leaf({width}, 2), c_TD = random_tensor({5, width}, 3);
    const Tensor got = rms_norm(x_TD, weight_D, 1e-5), want = at::rms_norm(x_TD, {width}, weight_D, 1e-5);
    EXPECT_TRUE(close_to(got, want, kSameMath64));
    const auto got_grad = gradients(got, c_TD, {x_TD, weight_D}), want_grad = gradients(want, c_TD, {x_TD, weight_D});
    for (size_t g = 0; g < 2; ++g)
      EXPECT_TRUE(close_to(got_grad[g], want_grad[g], kSameMath64, largest_of(want_grad))) << "width " << width << ", gradient " << g;
  }
}

TEST(RmsNorm, ZeroRowStaysZero) {
  const Tensor zeros = at::zeros({2, 8}, at::TensorOptions(at::kDouble));
  EXPECT_TRUE((rms_norm(zeros, random_tensor({8}, 1), 1e-5) == 0).all().item<bool>());
}

TEST(RmsNorm, EpsilonIsInsideTheRoot) {
  const Tensor x = at::full({1, 4}, 1e-3, at::TensorOptions(at::kDouble)), one = at::ones({4}, at::TensorOptions(at::kDouble));
  EXPECT_NEAR(rms_norm(x, one, 3e-6)[0][0].item<double>(), 1e-3 / std::sqrt(1e-6 + 3e-6), 1e-15);
}

TEST(RmsNorm, SameBytesForAnyThreads) {
  const Tensor x_TD = random_leaf({400, 257}, 4, at::kFloat), weight_D = random_leaf({257}, 5, at::kFloat);
  const Tensor c_TD = random_tensor({400, 257}, 6, at::kFloat);
  expect_same_for_any_threads([&] {
    const Tensor y_TD = rms_norm(x_TD, weight_D, 1e-5);
    auto out = gradients(y_TD, c_TD, {x_TD, weight_D});
    out.push_back(y_TD);
    return out;
  });
}

}  // namespace
}  // namespace hellora
