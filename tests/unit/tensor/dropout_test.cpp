// N rows, I columns.
#include "hellora/tensor/dropout.h"

#include "tests/support/tensors.h"
#include "tests/support/tolerances.h"

namespace hellora {
namespace {

using namespace testing;

Tensor ids(std::vector<int64_t> values) { return at::tensor(values, at::TensorOptions(at::kLong)); }

TEST(Dropout, ScalesWhatItKeepsAndItsGradientAlike) {
  const Tensor x_NI = random_leaf({30, 19}, 1), c_NI = random_tensor({30, 19}, 2);
  const Tensor y_NI = dropout(x_NI, 0.4, make_key(1), {}, {});
  const Tensor mask_NI = y_NI.detach() / x_NI.detach();
  const Tensor kept = mask_NI != 0;
  EXPECT_TRUE(close_to(mask_NI, kept.to(at::kDouble) / 0.6, kSameMath64));
  EXPECT_GT(kept.sum().item<int64_t>(), 0);
  EXPECT_LT(kept.sum().item<int64_t>(), kept.numel());
  EXPECT_TRUE(close_to(gradients(y_NI, c_NI, {x_NI})[0], c_NI * mask_NI, kSameMath64));
}

TEST(Dropout, FollowsTokensAndExpertsThroughAnyOrder) {
  const Tensor x_NI = random_tensor({4, 33}, 3), order = ids({2, 0, 3, 1});
  const Tensor token_N = ids({5, 5, 8, 1}), expert_N = ids({0, 3, 3, 2});
  const Tensor y_NI = dropout(x_NI, 0.5, make_key(2), token_N, expert_N);
  const Tensor shuffled =
      dropout(x_NI.index_select(0, order), 0.5, make_key(2), token_N.index_select(0, order), expert_N.index_select(0, order));
  EXPECT_TRUE(same_bytes(shuffled, y_NI.index_select(0, order)));
  EXPECT_FALSE(same_bytes(y_NI, dropout(x_NI, 0.5, make_key(2), token_N, {})));
}

TEST(Dropout, SameBytesForAnyThreads) {
  const Tensor x_NI = random_tensor({500, 70}, 4, at::kFloat);
  expect_same_for_any_threads([&] { return std::vector<Tensor>{dropout(x_NI, 0.1, make_key(3), {}, {})}; });
}

}  // namespace
}  // namespace hellora
