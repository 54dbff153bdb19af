// Weights as they lie in files: the streamed hash is the loader's, in every layout and dtype, and a weight reads back by its name.
#include "hellora/model/stored.h"

#include "hellora/model/decoder.h"
#include "tests/support/tensor_map.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

/// The hash of a folder, streamed, after comparing it with the loader's for every way of keeping weights.
uint64_t hash_of(const Path& folder, const ModelShape& shape) {
  const Checkpoint checkpoint(folder);
  const uint64_t streamed = content_hash(checkpoint, shape);
  for (const at::ScalarType stored : {at::kBFloat16, at::kFloat, at::kDouble}) {
    const auto decoder = load_decoder(checkpoint, {stored, stored == at::kDouble ? at::kDouble : at::kFloat});
    EXPECT_EQ(decoder->weights().content, streamed) << stored;
    EXPECT_EQ(model_hash(*decoder), model_hash(shape, streamed));
  }
  return streamed;
}

void rewrite(const Path& folder, const std::function<void(TensorMap&)>& change) {
  TensorMap tensors = tensors_of(folder);
  change(tensors);
  write_tensors(folder / "model.safetensors", tensors);
}

TEST(ContentHash, IsTheLoadersInEveryFamilyAndDtype) {
  for (const Arch& arch : archs()) {
    const ModelShape shape = tiny_shape_of(arch.model_type);
    const TempFolder folder;
    init_model(shape, folder / "bf16", 3, false, 0.4);
    const uint64_t bf16 = hash_of(folder / "bf16", shape);
    init_model(shape, folder / "fp32", 3, true, 0.4);
    EXPECT_EQ(hash_of(folder / "fp32", shape), bf16) << arch.model_type;  // the same values before rounding
  }
}

TEST(ContentHash, DoesNotDependOnTheLayout) {
  const TempFolder folder;
  init_model(tiny_shape(), folder.path(), 3, false, 0.4);
  const uint64_t plain = hash_of(folder.path(), tiny_shape());
  rewrite(folder.path(), [](TensorMap& tensors) { fuse_experts(tensors, tiny_shape()); });
  EXPECT_EQ(hash_of(folder.path(), tiny_shape()), plain);
}

TEST(ContentHash, OfATiedHeadIsTheLoaders) {
  const ModelShape shape = tiny_shape_of("llama", [](ModelShape& s) { s.tied_embeddings = true; });
  const TempFolder folder;
  init_model(shape, folder.path(), 3, false, 0.4);
  hash_of(folder.path(), shape);
}

TEST(ContentHash, SeesEveryBitThatMatters) {
  const TempFolder folder;
  init_model(tiny_shape(), folder.path(), 3, false, 0.4);
  const uint64_t plain = hash_of(folder.path(), tiny_shape());
  for (const char* name : {"model.embed_tokens.weight", "model.layers.1.mlp.experts.5.down_proj.weight", "model.norm.weight"}) {
    rewrite(folder.path(), [&](TensorMap& all) { all.at(name).view({-1}).view(at::kShort)[2].bitwise_xor_(1); });
    EXPECT_NE(content_hash(Checkpoint(folder.path()), tiny_shape()), plain) << name;
    rewrite(folder.path(), [&](TensorMap& all) { all.at(name).view({-1}).view(at::kShort)[2].bitwise_xor_(1); });
  }
  EXPECT_EQ(content_hash(Checkpoint(folder.path()), tiny_shape()), plain);
}

/// Conversions make one form of NaN or another, by the processor and by the place in the tensor.
TEST(ContentHash, HasOneFormOfNaN) {
  const TempFolder folder;
  init_model(tiny_shape(), folder.path(), 3, false, 0.4);
  std::vector<uint64_t> hashes;
  for (const int bits : {0x7FC0, 0x7FFF, 0xFFC1}) {
    rewrite(folder.path(), [&](TensorMap& all) {
      all.at("lm_head.weight").view({-1}).view(at::kShort).narrow(0, 5, 40).fill_(static_cast<int16_t>(bits));
    });
    hashes.push_back(hash_of(folder.path(), tiny_shape()));
  }
  EXPECT_EQ(hashes[0], hashes[1]);
  EXPECT_EQ(hashes[0], hashes[2]);
}

TEST(StoredWeights, AreFoundByTheirNamesInBothLayouts) {
  const TempFolder folder;
  const ModelShape shape = tiny_shape_of("mixtral");  // its router has another name in the fused layout
  init_model(shape, folder.path(), 3, false, 0.4);
  const TensorMap plain = tensors_of(folder.path());
  rewrite(folder.path(), [&](TensorMap& tensors) { fuse_experts(tensors, shape); });
  const Checkpoint fused(folder.path());
  for (const auto& [name, tensor] : plain) {
    const auto found = find_stored(fused, shape, name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->shape, tensor.sizes().vec()) << name;
    EXPECT_TRUE(same_bytes(read_elements(fused, found->tensor, found->first, found->count()).view(found->shape), tensor)) << name;
    EXPECT_TRUE(same_bytes(base_weight(fused, shape, name), tensor.to(at::kFloat))) << name;
  }
  EXPECT_FALSE(find_stored(fused, shape, "model.layers.9.self_attn.q_proj.weight"));
}

}  // namespace
}  // namespace hellora::testing
