// Qwen1.5-MoE and Qwen2-MoE (arXiv 2407.10671): biases on q, k and v; a shared expert that each token takes by a sigmoid gate.
#include "hellora/model/arch/qwen_ffn.h"

namespace hellora {
namespace {

constexpr auto kPaths = join_paths(kDecoderPaths, kQkvPaths, kQkvBiasPaths, kExpertPaths, kDensePaths,
                                   std::to_array<SlotPath>({
                                       {Slot::shared_router, "model.layers.{L}.mlp.shared_expert_gate"},
                                       {Slot::shared_gate, "model.layers.{L}.mlp.shared_expert.gate_proj"},
                                       {Slot::shared_up, "model.layers.{L}.mlp.shared_expert.up_proj"},
                                       {Slot::shared_down, "model.layers.{L}.mlp.shared_expert.down_proj"},
                                   }));

ModelShape read_qwen2_moe(JsonObject& config) {
  ModelShape shape = read_shared_shape(config, {.kv_heads = 16});
  shape.qkv_bias = config.flag_or("qkv_bias", true);
  shape.shared_width = config.integer("shared_expert_intermediate_size", 1, kMaxWidth);
  shape.shared_gated = true;
  read_qwen_ffn(config, shape);
  return shape;
}

Json write_qwen2_moe(const ModelShape& shape) {
  Json config = write_shared_shape(shape, "Qwen2MoeForCausalLM");
  config.erase("attention_bias");
  config["qkv_bias"] = shape.qkv_bias;
  config["shared_expert_intermediate_size"] = shape.shared_width;
  write_qwen_ffn(shape, config);
  return config;
}

}  // namespace

extern const Arch kQwen2Moe;
const Arch kQwen2Moe = {
    .model_type = "qwen2_moe",
    .models = "Qwen1.5-MoE-A2.7B, Qwen2-57B-A14B",
    .shape = read_qwen2_moe,
    .config = write_qwen2_moe,
    .paths = kPaths,
    .fused_gate_up = kFusedGateUp,
    .fused_down = kFusedDown,
    .targets = "q k v o router gate up down shared",
    .hot = {1, 4},
    .defaults_source = "project decision: a quarter of the experts, as in arXiv 2603.24044",
    .status = "golden parity on tiny models; not tried at true size",
    .peft_full_note = "PEFT 0.21 on transformers 5 refuses this format for this family; use peft-fused there",
};

ModelShape qwen15_moe_a27b() {
  ModelShape shape;
  shape.arch = "qwen2_moe";
  shape.vocab = 151936;
  shape.hidden = 2048;
  shape.layers = 24;
  shape.heads = shape.kv_heads = 16;
  shape.head_dim = 128;
  shape.max_positions = 8192;
  shape.rms_eps = 1e-6;
  shape.rope.theta = 1e6;
  shape.qkv_bias = true;
  shape.experts = 60;
  shape.expert_width = 1408;
  shape.dense_width = 5632;
  shape.shared_width = 5632;
  shape.shared_gated = true;
  shape.router.top_k = 4;
  shape.aux_loss = 0.001;
  return shape;
}

}  // namespace hellora
