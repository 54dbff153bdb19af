// Keys of config.json that hellora does not compute with: which of them change nothing, and which would change the result.
#include <array>
#include <mutex>

#include "hellora/core/error.h"
#include "hellora/model/config_reader.h"

namespace hellora {
namespace {

/// What transformers and other tools write and no family's forward pass depends on.
constexpr auto kHarmless = std::to_array<std::string_view>(
    {// provenance and storage
     "architectures", "auto_map", "_name_or_path", "name_or_path", "transformers_version", "torch_dtype", "dtype", "tokenizer_class",
     "model_max_length", "max_sequence_length", "is_llama_config", "transformers.js_config", "unsloth_fixed", "unsloth_version",
     "_commit_hash", "license", "custom_pipelines",
     // special tokens: what ends an answer is read where text is generated
     "bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "sep_token_id", "cls_token_id", "mask_token_id",
     "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id",
     // training, initialisation, and how a forward pass is carried out
     "initializer_range", "use_cache", "pretraining_tp", "ep_size", "output_router_logits", "output_attentions", "output_hidden_states",
     "return_dict", "use_return_dict", "attn_implementation", "_attn_implementation", "_attn_implementation_autoset",
     "_flash_attn_2_enabled", "use_flash_attn", "use_flash_attention", "gradient_checkpointing", "torchscript", "use_bfloat16",
     "tf_legacy_loss", "chunk_size_feed_forward", "problem_type", "id2label", "label2id", "task_specific_params", "finetuning_task",
     "is_decoder", "tie_encoder_decoder", "prefix", "remove_invalid_values", "experts_implementation", "_experts_implementation",
     // settings of generation that transformers 4 kept here
     "temperature", "top_k", "top_p", "typical_p", "do_sample", "early_stopping", "max_length", "max_new_tokens", "min_length", "num_beams",
     "num_beam_groups", "num_return_sequences", "length_penalty", "diversity_penalty", "repetition_penalty",
     "exponential_decay_length_penalty", "encoder_no_repeat_ngram_size", "no_repeat_ngram_size", "bad_words_ids", "suppress_tokens",
     "begin_suppress_tokens", "output_scores", "return_dict_in_generate"});

/// A key that would change the forward pass, and the values (JSON text) at which it does not, beside null, false, 0 and nothing.
struct Guarded {
  std::string_view key;
  std::array<std::string_view, 2> neutral = {};
};
constexpr std::array<std::string_view, 2> kOne = {"1", "1.0"};

constexpr auto kGuarded = std::to_array<Guarded>({
    // scales and caps
    {"attn_logit_softcapping"},
    {"final_logit_softcapping"},
    {"query_pre_attn_scalar"},
    {"logits_scaling", kOne},
    {"logit_scale", kOne},
    {"embedding_multiplier", kOne},
    {"residual_multiplier", kOne},
    {"attention_multiplier"},
    {"lm_head_multiplier", kOne},
    {"key_multiplier", kOne},
    {"attention_in_multiplier", kOne},
    {"attention_out_multiplier", kOne},
    {"embedding_scale", kOne},
    {"scale_embedding"},
    {"scale_emb", kOne},
    {"scale_depth"},
    {"mup_width_multiplier", kOne},
    {"clip_qkv"},
    {"qkv_clip"},
    {"swiglu_limit"},
    {"attn_temperature_tuning"},
    // position and attention
    {"partial_rotary_factor", kOne},
    {"rotary_pct", kOne},
    {"rope_interleaved"},
    {"rope_ratio", kOne},
    {"no_rope_layers"},
    {"no_rope_layer_interval"},
    {"nope_layer_interval"},
    {"use_mrope"},
    {"mrope_section"},
    {"alibi"},
    {"use_alibi"},
    {"position_embedding_type", {"\"rope\"", "\"rotary\""}},
    {"rope_local_base_freq"},
    {"local_rope_theta"},
    {"use_sliding_window"},
    {"sliding_window_pattern"},
    {"attention_chunk_size"},
    {"use_qk_norm"},
    {"qk_norm"},
    {"qk_layernorm"},
    {"use_qk_layernorm"},
    {"kv_lora_rank"},
    {"q_lora_rank"},
    {"index_topk"},
    // biases and other blocks
    {"attention_bias"},
    {"attention_out_bias"},
    {"qkv_bias"},
    {"use_bias"},
    {"use_qkv_bias"},
    {"bias"},
    {"mlp_bias"},
    {"lm_head_bias"},
    {"is_encoder_decoder"},
    {"add_cross_attention"},
    {"cross_attention_hidden_size"},
    {"pruned_heads"},
    {"parallel_residual"},
    {"use_parallel_residual"},
    {"parallel_attn"},
    {"use_post_norm"},
    {"apply_residual_connection_post_layernorm"},
    // experts
    {"num_experts"},
    {"num_local_experts"},
    {"n_routed_experts"},
    {"num_experts_per_tok"},
    {"moe_intermediate_size"},
    {"n_shared_experts"},
    {"num_shared_experts"},
    {"num_shared_expert"},
    {"moe_num_shared_experts"},
    {"shared_expert_intermediate_size"},
    {"first_k_dense_replace"},
    {"moe_layer_freq", kOne},
    {"decoder_sparse_step", kOne},
    {"mlp_only_layers"},
    {"interleave_moe_layer_step", kOne},
    {"routed_scaling_factor", kOne},
    {"moe_routed_scaling_factor", kOne},
    {"scoring_func", {"\"softmax\""}},
    {"topk_method", {"\"greedy\""}},
    {"n_group", kOne},
    {"topk_group", kOne},
    {"router_bias"},
    {"moe_router_enable_expert_bias"},
    {"expert_capacity"},
    {"moe_capacity_factor"},
});

}  // namespace

void meet_other_keys(JsonObject& config) {
  for (const char* key : {"quantization_config", "compression_config"})
    config.refuse(key, "hellora reads unquantised bf16, fp16 or fp32 checkpoints");
  for (const std::string_view key : kHarmless) config.harmless({key});
  for (const Guarded& row : kGuarded) {
    if (config.asked(row.key)) continue;
    const Json* value = config.find(row.key);
    if (value == nullptr || is_inert(*value)) continue;
    config.only(row.key, {row.neutral[0], row.neutral[1]},
                "it would change what the model computes and is not supported for this model_type");
  }
  static std::mutex guard;
  static std::set<std::string> told;  // a command reads the same file several times
  const std::scoped_lock lock(guard);
  config.finish(told.insert(config.where()).second ? Unknown::warn : Unknown::ignore);
}

}  // namespace hellora
