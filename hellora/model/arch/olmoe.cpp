// OLMoE (Muennighoff et al. 2024, arXiv 2409.02060): every layer routed, norm over the whole q and k vectors.
#include "hellora/model/arch/paths.h"
#include "hellora/model/config_reader.h"

namespace hellora {
namespace {

constexpr auto kPaths = join_paths(kDecoderPaths, kQkvPaths, kQkNormPaths, kExpertPaths);

ModelShape read_olmoe(JsonObject& config) {
  ModelShape shape = read_shared_shape(config, {.rms_eps = 1e-5});
  refuse_window(config, shape.layers);
  shape.qk_norm = QkNorm::whole;
  shape.clip_qkv = config.positive_or("clip_qkv", 0, 1e9);  // null: none
  shape.experts = spelled(config, {"num_experts", "num_local_experts"}, 1, kMaxExperts);
  shape.expert_width = config.integer("intermediate_size", 1, kMaxWidth);  // the class default is wrong for the published model
  shape.router.top_k = config.integer("num_experts_per_tok", 1, shape.experts);
  shape.router.renormalize = config.flag_or("norm_topk_prob", false);
  return shape;
}

Json write_olmoe(const ModelShape& shape) {
  Json config = write_shared_shape(shape, "OlmoeForCausalLM");
  config["intermediate_size"] = shape.expert_width;
  config["num_experts"] = shape.experts;
  config["num_experts_per_tok"] = shape.router.top_k;
  config["norm_topk_prob"] = shape.router.renormalize;
  config["clip_qkv"] = shape.clip_qkv > 0 ? Json(shape.clip_qkv) : Json();
  config["router_aux_loss_coef"] = shape.aux_loss;
  config["output_router_logits"] = false;
  return config;
}

}  // namespace

extern const Arch kOlmoe;
const Arch kOlmoe = {
    .model_type = "olmoe",
    .models = "OLMoE-1B-7B",
    .shape = read_olmoe,
    .config = write_olmoe,
    .paths = kPaths,
    .fused_gate_up = kFusedGateUp,
    .fused_down = kFusedDown,
    .targets = "q k v o router gate up down",
    .defaults_source = "k, rank 32 and targets reproduce the 15.7 % of arXiv 2605.18795 by arithmetic; k equals experts per token",
    .status = "golden parity; trained at true size on random weights",
};

ModelShape olmoe_1b_7b() {
  ModelShape shape;
  shape.arch = "olmoe";
  shape.vocab = 50304;
  shape.hidden = 2048;
  shape.layers = 16;
  shape.heads = shape.kv_heads = 16;
  shape.head_dim = 128;
  shape.max_positions = 4096;
  shape.qk_norm = QkNorm::whole;
  shape.experts = 64;
  shape.expert_width = 1024;
  shape.router.top_k = 8;
  shape.aux_loss = 0.01;
  return shape;
}

}  // namespace hellora
