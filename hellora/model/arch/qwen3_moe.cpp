// Qwen3-MoE (arXiv 2505.09388): norms per head on q and k, heads wider than hidden / heads, many narrow experts.
#include "hellora/model/arch/qwen_ffn.h"

namespace hellora {
namespace {

constexpr auto kPaths = join_paths(kDecoderPaths, kQkvPaths, kQkNormPaths, kExpertPaths, kDensePaths);

ModelShape read_qwen3_moe(JsonObject& config) {
  ModelShape shape = read_shared_shape(config, {.kv_heads = 4});
  shape.qk_norm = QkNorm::per_head;
  read_qwen_ffn(config, shape);
  return shape;
}

Json write_qwen3_moe(const ModelShape& shape) {
  Json config = write_shared_shape(shape, "Qwen3MoeForCausalLM");
  config["head_dim"] = shape.head_dim;
  write_qwen_ffn(shape, config);
  return config;
}

}  // namespace

extern const Arch kQwen3Moe;
const Arch kQwen3Moe = {
    .model_type = "qwen3_moe",
    .models = "Qwen3-30B-A3B, Qwen3-235B-A22B",
    .shape = read_qwen3_moe,
    .config = write_qwen3_moe,
    .paths = kPaths,
    .fused_gate_up = kFusedGateUp,
    .fused_down = kFusedDown,
    .targets = "q k v o router gate up down",
    .hot = {1, 4},
    .defaults_source = "project decision: a quarter of the experts, as in arXiv 2603.24044",
    .status = "golden parity on tiny models; not tried at true size",
};

ModelShape qwen3_30b_a3b() {
  ModelShape shape;
  shape.arch = "qwen3_moe";
  shape.vocab = 151936;
  shape.hidden = 2048;
  shape.layers = 48;
  shape.heads = 32;
  shape.kv_heads = 4;
  shape.head_dim = 128;
  shape.max_positions = 40960;
  shape.rms_eps = 1e-6;
  shape.rope.theta = 1e6;
  shape.qk_norm = QkNorm::per_head;
  shape.experts = 128;
  shape.expert_width = 768;
  shape.dense_width = 6144;
  shape.router.top_k = 8;
  shape.router.renormalize = true;
  shape.aux_loss = 0.001;
  return shape;
}

}  // namespace hellora
