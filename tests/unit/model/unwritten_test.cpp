// A training step never reads memory that nobody wrote: with NaN in every new tensor and scratch buffer it gives the same
// bytes.
#include "hellora/kernels/buffer.h"
#include "hellora/tensor/allocator.h"
#include "tests/support/step.h"
#include "tests/support/tiny_model.h"

namespace hellora {
namespace {

using namespace testing;

class Unwritten : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { install_allocator(); }
  void TearDown() override { kernels::poison_memory(false); }
};

/// Loss and gradients of one step.
std::pair<double, Tensor> step(const Decoder& decoder, AdapterSet& adapters, double dropout) {
  adapters.flat_grad().zero_();
  const TrainBatch data = train_batch({random_ids(19, tiny_shape().vocab, 1), random_ids(5, tiny_shape().vocab, 2)}, 3);
  const double loss = backward_step(decoder, data, 0.01, {true, dropout, 7, 1, 0, 0});
  return {loss, adapters.flat_grad().clone()};
}

void expect_nothing_unwritten_is_read(const AdapterConfig& config, const Compute& compute) {
  ModelShape shape = tiny_shape();
  shape.clip_qkv = 0.7;
  const TempFolder folder;
  init_model(shape, folder.path(), 1, true, 0.4);
  const at::ScalarType stored = compute.math == kernels::Math::bf16 ? at::kBFloat16 : at::kFloat;
  const auto decoder = load_decoder(Checkpoint(folder.path()), {stored, at::kFloat}, compute);
  const auto adapters = fresh_adapters(shape, tiny_plan(), config);
  randomise(*adapters, 11);
  decoder->bind(adapters.get());
  const auto [loss, gradients] = step(*decoder, *adapters, config.dropout);
  kernels::poison_memory(true);
  const auto [again, poisoned] = step(*decoder, *adapters, config.dropout);
  EXPECT_EQ(loss, again);
  EXPECT_TRUE(same_bytes(gradients, poisoned));
  EXPECT_TRUE(poisoned.isfinite().all().item<bool>());
}

TEST_F(Unwritten, LoraOnHotExperts) { expect_nothing_unwritten_is_read(tiny_config(), {}); }

TEST_F(Unwritten, Dropout) {
  AdapterConfig config = tiny_config();
  config.dropout = 0.3;
  expect_nothing_unwritten_is_read(config, {});
}

TEST_F(Unwritten, Bf16ProductsAndSavedActivations) {
  AdapterConfig config = tiny_config();
  config.dropout = 0.3;
  expect_nothing_unwritten_is_read(config, {kernels::Math::bf16, at::kBFloat16});
}

}  // namespace
}  // namespace hellora
