// Mistral 7B (arXiv 2310.06825): dense, grouped-query attention, in its first version with a sliding window.
#include "hellora/model/arch/paths.h"
#include "hellora/model/config_reader.h"

namespace hellora {
namespace {

constexpr auto kPaths = join_paths(kDecoderPaths, kQkvPaths, kDensePaths);

ModelShape read_mistral(JsonObject& config) {
  ModelShape shape = read_shared_shape(config, {.kv_heads = 8});
  shape.window = read_window(config, shape.layers, 4096);
  shape.dense_width = config.integer("intermediate_size", 1, kMaxWidth);
  return shape;
}

Json write_mistral(const ModelShape& shape) {
  Json config = write_shared_shape(shape, "MistralForCausalLM");
  config.erase("attention_bias");
  config["head_dim"] = shape.head_dim;
  config["intermediate_size"] = shape.dense_width;
  config["sliding_window"] = shape.window > 0 ? Json(shape.window) : Json();
  return config;
}

}  // namespace

extern const Arch kMistral;
const Arch kMistral = {
    .model_type = "mistral",
    .models = "Mistral-7B (dense)",
    .shape = read_mistral,
    .config = write_mistral,
    .paths = kPaths,
    .targets = "q k v o dense",
    .defaults_source = "every linear map of the layers, as is usual for LoRA",
    .status = "golden parity on tiny models; not tried at true size",
};

ModelShape mistral_7b() {
  ModelShape shape;
  shape.arch = "mistral";
  shape.vocab = 32000;
  shape.hidden = 4096;
  shape.layers = 32;
  shape.heads = 32;
  shape.kv_heads = 8;
  shape.head_dim = 128;
  shape.max_positions = 32768;
  shape.window = 4096;
  shape.dense_width = 14336;
  return shape;
}

}  // namespace hellora
