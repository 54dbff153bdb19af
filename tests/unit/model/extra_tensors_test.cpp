// Tensors beside the weights: buffers that old files carry, and a stored head although config.json ties it.
#include "hellora/model/extra_tensors.h"

#include "hellora/model/model_dir.h"
#include "tests/support/step.h"
#include "tests/support/tensor_map.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

ModelShape tied_llama() {
  return tiny_shape_of("llama", [](ModelShape& s) { s.tied_embeddings = true; });
}

TEST(ExtraTensors, KnownBuffersAreSkippedByName) {
  for (const char* name :
       {"model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq", "rotary_emb.inv_freq",
        "model.layers.11.self_attn.rotary_emb.cos_cached", "model.layers.3.self_attn.masked_bias", "model.layers.3.attn.bias"})
    EXPECT_TRUE(is_harmless_tensor(name)) << name;
  for (const char* name : {"model.layers.0.self_attn.inv_freq", "model.layers.0.self_attn.q_proj.bias", "xrotary_emb.inv_freq", "inv_freq",
                           "model.layers.0.cross_attn.bias", "model.layers.0.self_attn.rotary_emb.inv_freq.more", ""})
    EXPECT_FALSE(is_harmless_tensor(name)) << name;
}

/// The layout of the published Llama 2: frequencies in every layer.
TEST(ExtraTensors, AModelWithBuffersIsTheSameModel) {
  const ModelShape shape = tiny_shape_of("llama");
  const TinyModel model(shape);
  TensorMap tensors = tensors_of(model.folder.path());
  for (int64_t layer = 0; layer < shape.layers; ++layer)
    tensors["model.layers." + std::to_string(layer) + ".self_attn.rotary_emb.inv_freq"] = at::ones({shape.head_dim / 2});
  write_tensors(model.folder / "model.safetensors", tensors);
  EXPECT_EQ(model_hash(*load_decoder(Checkpoint(model.folder.path()), {})), model_hash(*model.decoder));
}

TEST(ExtraTensors, AStoredHeadOfATiedModelIsTheEmbeddingOrRefused) {
  const TinyModel model(tied_llama());
  TensorMap tensors = tensors_of(model.folder.path());
  const auto load = [&](const Tensor& head) {
    tensors["lm_head.weight"] = head;
    write_tensors(model.folder / "model.safetensors", tensors);
    return model_hash(*load_decoder(Checkpoint(model.folder.path()), {}));
  };
  const Tensor embed = tensors.at("model.embed_tokens.weight");
  EXPECT_EQ(load(embed.clone()), model_hash(*model.decoder));
  EXPECT_EQ(load(embed.to(at::kDouble)), model_hash(*model.decoder));
  Tensor other = embed.clone();
  other[60][15] += 1;
  for (const Tensor& head : {other, embed.t().contiguous(), at::zeros({61, 15})}) {
    const std::string message = error_of<FormatError>([&] { load(head); });
    EXPECT_CONTAINS(message, "lm_head.weight");
    EXPECT_CONTAINS(message, "tie_word_embeddings");
  }
}

/// The embedding trained in full is written into the stored head too.
TEST(ExtraTensors, AStoredTiedHeadFollowsTheTrainedEmbedding) {
  const TinyModel model(tied_llama());
  TensorMap tensors = tensors_of(model.folder.path());
  tensors["lm_head.weight"] = tensors.at("model.embed_tokens.weight").clone();
  write_tensors(model.folder / "model.safetensors", tensors);
  const Checkpoint checkpoint(model.folder.path());
  AdapterConfig config = tiny_config({"embed"});
  config.method = "full";
  AdapterSet adapters(find_sites(tied_llama(), config, Plan()), config, 1,
                      [&](const std::string& name) { return base_weight(checkpoint, tied_llama(), name); });
  randomise(adapters, 3);
  const TempFolder folder;
  write_full_model(checkpoint, tied_llama(), adapters, folder / "model");
  TensorMap written = tensors_of(folder / "model");
  EXPECT_TRUE(same_bytes(written.at("lm_head.weight"), written.at("model.embed_tokens.weight")));
  EXPECT_NO_THROW(load_decoder(Checkpoint(folder / "model"), {}));
}

}  // namespace
}  // namespace hellora::testing
