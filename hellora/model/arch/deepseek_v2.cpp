// DeepSeek-V2 (arXiv 2405.04434): latent attention with interleaved rope and YaRN, routing limited to groups of experts.
#include <cmath>

#include "hellora/core/error.h"
#include "hellora/model/arch/deepseek_ffn.h"

namespace hellora {
namespace {

constexpr auto kPaths = join_paths(kDecoderPaths,
                                   std::to_array<SlotPath>({
                                       {Slot::q, "model.layers.{L}.self_attn.q_proj"},
                                       {Slot::q_a, "model.layers.{L}.self_attn.q_a_proj"},
                                       {Slot::q_a_norm, "model.layers.{L}.self_attn.q_a_layernorm"},
                                       {Slot::q_b, "model.layers.{L}.self_attn.q_b_proj"},
                                       {Slot::kv_a, "model.layers.{L}.self_attn.kv_a_proj_with_mqa"},
                                       {Slot::kv_a_norm, "model.layers.{L}.self_attn.kv_a_layernorm"},
                                       {Slot::kv_b, "model.layers.{L}.self_attn.kv_b_proj"},
                                   }),
                                   kExpertPaths, kSharedExpertsPaths, kDensePaths);

void read_latent(JsonObject& config, ModelShape& shape) {
  LatentShape& latent = shape.latent;
  latent.q_rank = config.integer_or("q_lora_rank", 0, 1, kMaxWidth);
  latent.kv_rank = config.integer("kv_lora_rank", 1, kMaxWidth);
  latent.nope = config.integer("qk_nope_head_dim", 1, 65536);
  latent.rope = config.integer("qk_rope_head_dim", 2, 65536);
  latent.value = config.integer("v_head_dim", 1, 65536);
  if (latent.rope % 2 != 0) throw FormatError(config.where() + ": qk_rope_head_dim must be even for rotary embedding");
  if (latent.value > latent.nope + latent.rope) {
    throw FormatError(config.where() + ": v_head_dim wider than qk_nope_head_dim + qk_rope_head_dim is not supported");
  }
  shape.kv_heads = shape.heads;
  shape.head_dim = latent.nope + latent.rope;
  shape.rope.interleaved = true;
  // The authors' code scales scores by g(mscale_all_dim)² under YaRN; the port in transformers did not at first.
  if (shape.rope.type == RopeType::yarn && shape.rope.mscale_all_dim > 0 && shape.rope.scale_scores) {
    const double g = yarn_scale(shape.rope.factor, shape.rope.mscale_all_dim);
    shape.attention_scale = g * g / std::sqrt(static_cast<double>(shape.head_dim));
  }
}

/// Other choices than the plain one: best groups first, then the best experts in them.
void read_groups(JsonObject& config, RouterRule& router, int64_t experts) {
  const bool plain = config.choice_or("topk_method", "greedy", {"greedy", "group_limited_greedy"}) == "greedy";
  config.harmless({"n_group", "topk_group"});
  if (plain) return;
  router.groups = config.integer("n_group", 1, experts);
  router.top_groups = config.integer("topk_group", 1, router.groups);
  if (experts % router.groups != 0) throw FormatError(config.where() + ": n_routed_experts must be a multiple of n_group");
  if (router.top_k > experts / router.groups * router.top_groups)
    throw FormatError(config.where() + ": num_experts_per_tok exceeds the experts of topk_group groups");
}

ModelShape read_deepseek_v2(JsonObject& config) {
  ModelShape shape = read_shared_shape(config, {.plain_heads = false});
  config.harmless({"num_key_value_heads", "head_dim"});  // newer files repeat qk_rope_head_dim in the second
  refuse_window(config, shape.layers);
  read_latent(config, shape);
  read_deepseek_ffn(config, shape);
  read_groups(config, shape.router, shape.experts);
  const double scale = config.positive_or("routed_scaling_factor", 1, 1e6);
  // The authors' code scales only weights that it does not renormalise; transformers' class never renormalises (docs/files.md).
  shape.router.scale = shape.router.renormalize ? 1 : scale;
  return shape;
}

Json write_deepseek_v2(const ModelShape& shape) {
  Json config = write_shared_shape(shape, "DeepseekV2ForCausalLM");
  write_deepseek_ffn(shape, config);
  config["q_lora_rank"] = shape.latent.q_rank > 0 ? Json(shape.latent.q_rank) : Json();
  config["kv_lora_rank"] = shape.latent.kv_rank;
  config["qk_nope_head_dim"] = shape.latent.nope;
  config["qk_rope_head_dim"] = shape.latent.rope;
  config["v_head_dim"] = shape.latent.value;
  config["topk_method"] = shape.router.groups > 1 ? "group_limited_greedy" : "greedy";
  config["n_group"] = shape.router.groups;
  config["topk_group"] = shape.router.top_groups;
  config["routed_scaling_factor"] = shape.router.scale;
  return config;
}

}  // namespace

extern const Arch kDeepseekV2;
const Arch kDeepseekV2 = {
    .model_type = "deepseek_v2",
    .models = "DeepSeek-V2-Lite, DeepSeek-V2",
    .shape = read_deepseek_v2,
    .config = write_deepseek_v2,
    .paths = kPaths,
    .fused_gate_up = kFusedGateUp,
    .fused_down = kFusedDown,
    .targets = "q kv o gate up down shared dense",
    .hot = {12, 64},
    .defaults_source = "project decision: as DeepSeekMoE-16B, which has the same experts",
    .status = "golden parity on tiny models; not tried at true size",
    .peft_full_note =
        "PEFT 0.21 on transformers 5 drops the adapters of dense and shared MLPs in this format without a word; use peft-fused there",
};

ModelShape deepseek_v2_lite() {
  ModelShape shape;
  shape.arch = "deepseek_v2";
  shape.vocab = 102400;
  shape.hidden = 2048;
  shape.layers = 27;
  shape.heads = shape.kv_heads = 16;
  shape.latent = {0, 512, 128, 64, 128};
  shape.head_dim = 192;
  shape.max_positions = 163840;
  shape.rms_eps = 1e-6;
  shape.rope.type = RopeType::yarn;
  shape.rope.factor = 40;
  shape.rope.original_positions = 4096;
  shape.rope.mscale = shape.rope.mscale_all_dim = 0.707;
  shape.rope.interleaved = true;
  shape.attention_scale = std::pow(yarn_scale(40, 0.707), 2) / std::sqrt(192.0);
  shape.experts = 64;
  shape.expert_width = 1408;
  shape.dense_layers = {0};
  shape.dense_width = 10944;
  shape.shared_width = 2816;
  shape.router.top_k = 6;
  shape.router.balance = Balance::per_sequence;
  shape.aux_loss = 0.001;
  return shape;
}

}  // namespace hellora
