// Activations that wait for the backward pass: bf16 copies are shared by those who keep the same tensor, and by nobody else.
#include "hellora/tensor/compute.h"

#include "tests/support/tensors.h"

namespace hellora {
namespace {

using namespace testing;

const Compute kHalved{kernels::Math::full, at::kBFloat16};

TEST(KeptActivations, AreTheTensorItselfUnlessHalved) {
  const Tensor x = random_tensor({4, 8}, 1, at::kFloat), wide = random_tensor({4, 8}, 1, at::kDouble);
  EXPECT_TRUE(Compute{}.keep(x).is_same(x));
  EXPECT_TRUE(kHalved.keep(wide).is_same(wide));
  EXPECT_EQ(kHalved.keep(x).scalar_type(), at::kBFloat16);
}

TEST(KeptActivations, OneCopyForTheSameTensor) {
  const Tensor x = random_tensor({4, 8}, 1, at::kFloat);
  const Tensor first = kHalved.keep(x);
  EXPECT_TRUE(kHalved.keep(x).is_same(first));
  EXPECT_TRUE(at::equal(first, x.to(at::kBFloat16)));
}

TEST(KeptActivations, AnotherCopyForOtherRowsOrValues) {
  Tensor x = random_tensor({4, 8}, 1, at::kFloat);
  const Tensor whole = kHalved.keep(x), top = kHalved.keep(x.narrow(0, 0, 2)), bottom = kHalved.keep(x.narrow(0, 2, 2));
  EXPECT_TRUE(at::equal(top, whole.narrow(0, 0, 2)));
  EXPECT_TRUE(at::equal(bottom, whole.narrow(0, 2, 2)));
  x.add_(1);
  EXPECT_TRUE(at::equal(kHalved.keep(x), x.to(at::kBFloat16)));
}

TEST(KeptActivations, NothingIsKeptForThoseWhoLetGo) {
  const Tensor x = random_tensor({4, 8}, 1, at::kFloat);
  c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl> copy(kHalved.keep(x).getIntrusivePtr());
  EXPECT_TRUE(copy.expired());
}

}  // namespace
}  // namespace hellora
