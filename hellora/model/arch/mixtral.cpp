// Mixtral (Jiang et al. 2024, arXiv 2401.04088): few wide experts, weights of the chosen ones always renormalised.
#include "hellora/model/arch/paths.h"
#include "hellora/model/config_reader.h"

namespace hellora {
namespace {

// w1 is gate, w3 up, w2 down.
constexpr auto kPaths = join_paths(kDecoderPaths, kQkvPaths,
                                   std::to_array<SlotPath>({
                                       {Slot::router, "model.layers.{L}.block_sparse_moe.gate"},
                                       {Slot::gate, "model.layers.{L}.block_sparse_moe.experts.{E}.w1"},
                                       {Slot::up, "model.layers.{L}.block_sparse_moe.experts.{E}.w3"},
                                       {Slot::down, "model.layers.{L}.block_sparse_moe.experts.{E}.w2"},
                                   }));

ModelShape read_mixtral(JsonObject& config) {
  ModelShape shape = read_shared_shape(config, {.rms_eps = 1e-5, .theta = 1e6, .kv_heads = 8});
  shape.window = read_window(config, shape.layers);
  shape.experts = spelled(config, {"num_local_experts", "num_experts"}, 1, kMaxExperts);
  shape.expert_width = config.integer("intermediate_size", 1, kMaxWidth);
  shape.router.top_k = config.integer("num_experts_per_tok", 1, shape.experts);
  shape.router.renormalize = true;
  return shape;
}

Json write_mixtral(const ModelShape& shape) {
  Json config = write_shared_shape(shape, "MixtralForCausalLM");
  config["head_dim"] = shape.head_dim;
  config["intermediate_size"] = shape.expert_width;
  config["num_local_experts"] = shape.experts;
  config["num_experts_per_tok"] = shape.router.top_k;
  config["sliding_window"] = shape.window > 0 ? Json(shape.window) : Json();
  config["router_aux_loss_coef"] = shape.aux_loss;
  config["router_jitter_noise"] = 0.0;
  config["output_router_logits"] = false;
  return config;
}

}  // namespace

extern const Arch kMixtral;
const Arch kMixtral = {
    .model_type = "mixtral",
    .models = "Mixtral-8x7B, Mixtral-8x22B",
    .shape = read_mixtral,
    .config = write_mixtral,
    .paths = kPaths,
    .fused_gate_up = kFusedGateUp,
    .fused_down = kFusedDown,
    .fused_router = "model.layers.{L}.mlp.gate",
    .targets = "q k v o router gate up down",
    .defaults_source = "k = 2, rank 32 and targets reproduce the 30.1 % of arXiv 2605.18795 by arithmetic; k equals experts per token",
    .status = "golden parity on tiny models; not tried at true size",
};

ModelShape mixtral_8x7b() {
  ModelShape shape;
  shape.arch = "mixtral";
  shape.vocab = 32000;
  shape.hidden = 4096;
  shape.layers = 32;
  shape.heads = 32;
  shape.kv_heads = 8;
  shape.head_dim = 128;
  shape.max_positions = 32768;
  shape.rope.theta = 1e6;
  shape.experts = 8;
  shape.expert_width = 14336;
  shape.router.top_k = 2;
  shape.router.renormalize = true;
  shape.aux_loss = 0.02;
  return shape;
}

}  // namespace hellora
