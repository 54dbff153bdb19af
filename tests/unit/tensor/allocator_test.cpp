// The allocator keeps large blocks for the next tensor, never much more than tensors once needed together, and lets tests
// see reads of memory that nobody wrote.
#include "hellora/tensor/allocator.h"

#include <gtest/gtest.h>

#include "hellora/kernels/buffer.h"
#include "hellora/tensor/torch.h"

namespace hellora {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

class Allocator : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { install_allocator(); }
  void TearDown() override { kernels::poison_memory(false); }
  static Tensor bytes(int64_t count) { return at::empty({count}, at::TensorOptions(at::kByte)); }
};

TEST_F(Allocator, KeepsALargeBlockForTheNextTensorOfItsSize) {
  const int64_t live = large_block_use().live;
  const void* first = nullptr;
  {
    const Tensor x = bytes(10 * kMiB);
    first = x.data_ptr();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % kernels::kHugePage, 0U);
    EXPECT_EQ(large_block_use().live, live + 10 * kMiB);
  }
  EXPECT_EQ(large_block_use().live, live);
  EXPECT_GE(large_block_use().idle, 10 * kMiB);
  const Tensor again = bytes(10 * kMiB - 5);
  EXPECT_EQ(again.data_ptr(), first);
}

TEST_F(Allocator, GivesBackWhatFitsNothing) {
  { const Tensor small = bytes(8 * kMiB); }
  { const Tensor large = bytes(64 * kMiB); }  // the most ever needed: 64 MiB and a sixteenth
  const Tensor other = bytes(40 * kMiB);      // fits neither: too large for 8, and 64 would waste a third
  const MemoryUse use = large_block_use();
  EXPECT_LE(use.live + use.idle, 68 * kMiB);
}

TEST_F(Allocator, SmallTensorsAreNotItsBusiness) {
  const MemoryUse before = large_block_use();
  const Tensor x = bytes(kMiB);
  EXPECT_EQ(large_block_use().live, before.live);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(x.data_ptr()) % 64, 0U);
}

TEST_F(Allocator, PoisonShowsInWhatNobodyWrote) {
  kernels::poison_memory(true);
  for (const int64_t count : {3, 1000, 3'000'000}) {
    EXPECT_TRUE(at::empty({count}, at::TensorOptions(at::kFloat)).isnan().all().item<bool>()) << count;
  }
  kernels::Scratch scratch;
  EXPECT_TRUE(std::isnan(*scratch.get_as<float>(100)));
}

}  // namespace
}  // namespace hellora
