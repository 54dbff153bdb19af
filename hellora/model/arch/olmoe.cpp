// OLMoE (Muennighoff et al. 2024, arXiv 2409.02060): every layer routed, norm over the whole q and k vectors.
#include <array>

#include "hellora/core/error.h"
#include "hellora/model/arch.h"
#include "hellora/model/config_reader.h"

namespace hellora {
namespace {

constexpr std::array kPaths = std::to_array<SlotPath>({
    {Slot::embed, "model.embed_tokens"},
    {Slot::final_norm, "model.norm"},
    {Slot::lm_head, "lm_head"},
    {Slot::input_norm, "model.layers.{L}.input_layernorm"},
    {Slot::post_norm, "model.layers.{L}.post_attention_layernorm"},
    {Slot::q, "model.layers.{L}.self_attn.q_proj"},
    {Slot::k, "model.layers.{L}.self_attn.k_proj"},
    {Slot::v, "model.layers.{L}.self_attn.v_proj"},
    {Slot::o, "model.layers.{L}.self_attn.o_proj"},
    {Slot::q_norm, "model.layers.{L}.self_attn.q_norm"},
    {Slot::k_norm, "model.layers.{L}.self_attn.k_norm"},
    {Slot::router, "model.layers.{L}.mlp.gate"},
    {Slot::gate, "model.layers.{L}.mlp.experts.{E}.gate_proj"},
    {Slot::up, "model.layers.{L}.mlp.experts.{E}.up_proj"},
    {Slot::down, "model.layers.{L}.mlp.experts.{E}.down_proj"},
});

ModelShape read_olmoe(const Json& config, const std::string& where) {
  ModelShape shape = read_shared_shape(config, where);
  shape.qk_norm_whole = true;
  shape.clip_qkv = double_or(config, "clip_qkv", 0, where);
  if (shape.clip_qkv < 0) throw FormatError(where + ": clip_qkv must be null or positive");
  shape.experts = sized(config, "num_experts", 1, 65536, where);
  shape.expert_width =
      sized(config, "intermediate_size", 1, 1 << 24, where);  // the class default is wrong for the published model: required
  shape.router.top_k = sized(config, "num_experts_per_tok", 1, shape.experts, where);
  shape.router.renormalize = bool_or(config, "norm_topk_prob", false, where);
  return shape;
}

Json write_olmoe(const ModelShape& shape) {
  return Json{{"architectures", {"OlmoeForCausalLM"}},
              {"model_type", "olmoe"},
              {"vocab_size", shape.vocab},
              {"hidden_size", shape.hidden},
              {"intermediate_size", shape.expert_width},
              {"num_hidden_layers", shape.layers},
              {"num_attention_heads", shape.heads},
              {"num_key_value_heads", shape.kv_heads},
              {"num_experts", shape.experts},
              {"num_experts_per_tok", shape.router.top_k},
              {"norm_topk_prob", shape.router.renormalize},
              {"hidden_act", "silu"},
              {"max_position_embeddings", shape.max_positions},
              {"rms_norm_eps", shape.rms_eps},
              {"rope_theta", shape.rope_theta},
              {"rope_scaling", nullptr},
              {"clip_qkv", shape.clip_qkv > 0 ? Json(shape.clip_qkv) : Json()},
              {"attention_bias", false},
              {"attention_dropout", 0.0},
              {"tie_word_embeddings", shape.tied_embeddings},
              {"router_aux_loss_coef", shape.aux_loss},
              {"output_router_logits", false},
              {"initializer_range", 0.02},
              {"use_cache", true},
              {"torch_dtype", "bfloat16"}};
}

}  // namespace

extern const Arch kOlmoe;
const Arch kOlmoe = {"olmoe",
                     "OLMoE-1B-7B",
                     read_olmoe,
                     write_olmoe,
                     kPaths,
                     "model.layers.{L}.mlp.experts.gate_up_proj",
                     "model.layers.{L}.mlp.experts.down_proj",
                     "q k v o router gate up down",
                     0,
                     "k, rank 32 and targets reproduce the 15.7 % of arXiv 2605.18795 by arithmetic; k equals experts per token"};

ModelShape olmoe_1b_7b() {
  ModelShape shape;
  shape.arch = "olmoe";
  shape.vocab = 50304;
  shape.hidden = 2048;
  shape.layers = 16;
  shape.heads = shape.kv_heads = 16;
  shape.head_dim = 128;
  shape.max_positions = 4096;
  shape.qk_norm_whole = true;
  shape.experts = 64;
  shape.expert_width = 1024;
  shape.router = {8, false};
  shape.aux_loss = 0.01;
  return shape;
}

}  // namespace hellora
