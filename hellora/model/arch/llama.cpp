// Llama 2 and 3 (arXiv 2307.09288, 2407.21783) and models of the same class: dense, grouped-query attention.
#include "hellora/model/arch/paths.h"
#include "hellora/model/config_reader.h"

namespace hellora {
namespace {

constexpr auto kPaths = join_paths(kDecoderPaths, kQkvPaths, kQkvBiasPaths, kDensePaths,
                                   std::to_array<SlotPath>({{Slot::o_bias, "model.layers.{L}.self_attn.o_proj"}}));

ModelShape read_llama(JsonObject& config) {
  ModelShape shape = read_shared_shape(config, {.bias = true});
  refuse_window(config, shape.layers);
  shape.dense_width = config.integer("intermediate_size", 1, kMaxWidth);
  return shape;
}

Json write_llama(const ModelShape& shape) {
  Json config = write_shared_shape(shape, "LlamaForCausalLM");
  config["head_dim"] = shape.head_dim;
  config["intermediate_size"] = shape.dense_width;
  config["mlp_bias"] = false;
  return config;
}

}  // namespace

extern const Arch kLlama;
const Arch kLlama = {
    .model_type = "llama",
    .models = "Llama-2, Llama-3, SmolLM2 (dense)",
    .shape = read_llama,
    .config = write_llama,
    .paths = kPaths,
    .targets = "q k v o dense",
    .defaults_source = "every linear map of the layers, as is usual for LoRA",
    .status = "golden parity on tiny models; not tried at true size",
};

namespace {

ModelShape base_llama() {
  ModelShape shape;
  shape.arch = "llama";
  shape.hidden = 4096;
  shape.layers = 32;
  shape.heads = 32;
  shape.head_dim = 128;
  return shape;
}

}  // namespace

ModelShape llama_2_7b() {
  ModelShape shape = base_llama();
  shape.vocab = 32000;
  shape.kv_heads = 32;
  shape.max_positions = 4096;
  shape.dense_width = 11008;
  return shape;
}

ModelShape llama_3_8b() {
  ModelShape shape = base_llama();
  shape.vocab = 128256;
  shape.kv_heads = 8;
  shape.max_positions = 8192;
  shape.rope.theta = 5e5;
  shape.dense_width = 14336;
  return shape;
}

}  // namespace hellora
