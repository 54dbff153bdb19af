#include "hellora/tensor/ordered_sum.h"

#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"

namespace hellora {
namespace {

using namespace testing;

TEST(OrderedSumTensor, EqualsPlainSums) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const Tensor x = random_tensor({13, 777}, 1, dtype), wide = x.to(at::kDouble);
    EXPECT_NEAR(ordered_sum(x), wide.sum().item<double>(), kSameMath64 * wide.abs().sum().item<double>());
    EXPECT_NEAR(ordered_square_sum(x), wide.square().sum().item<double>(), kSameMath64 * wide.square().sum().item<double>());
  }
  EXPECT_EQ(ordered_sum(at::empty({0}, at::TensorOptions(at::kFloat))), 0);
}

TEST(OrderedSumTensor, SameBytesForAnyThreads) {
  const Tensor x = random_tensor({100003}, 2, at::kFloat);
  expect_same_for_any_threads([&] {
    return std::vector<Tensor>{at::scalar_tensor(ordered_sum(x), at::TensorOptions(at::kDouble)),
                               at::scalar_tensor(ordered_square_sum(x), at::TensorOptions(at::kDouble))};
  });
}

TEST(OrderedSumTensor, RefusesStridedMemory) { EXPECT_THROW(ordered_sum(random_tensor({4, 4}, 3).t()), std::logic_error); }

}  // namespace
}  // namespace hellora
