// config.json files as they are published, and as they should not be: every key is used, changes nothing, or is named.
#include <limits>

#include "hellora/core/error.h"
#include "tests/support/tiny_model.h"

namespace hellora::testing {
namespace {

/// What the hub's files of these families hold, each key of them.
const std::vector<std::pair<const char*, const char*>> kPublished = {
    {"OLMoE",
     R"({"architectures": ["OlmoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "clip_qkv": null, "eos_token_id": 50279,
      "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 1024, "max_position_embeddings": 4096,
      "model_type": "olmoe", "norm_topk_prob": false, "num_attention_heads": 16, "num_experts": 64, "num_experts_per_tok": 8,
      "num_hidden_layers": 16, "num_key_value_heads": 16, "output_router_logits": false, "pad_token_id": 1, "rope_scaling": null,
      "rope_theta": 10000.0, "router_aux_loss_coef": 0.01, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
      "transformers_version": "4.43.0.dev0", "use_cache": true, "vocab_size": 50304})"},
    {"Mixtral",
     R"({"architectures": ["MixtralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
      "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mixtral",
      "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32, "num_key_value_heads": 8, "num_local_experts": 8,
      "output_router_logits": false, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "router_aux_loss_coef": 0.02, "sliding_window": null,
      "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.36.0.dev0", "use_cache": true, "vocab_size": 32000,
      "router_jitter_noise": 0.0, "head_dim": null})"},
    {"DeepSeekMoE",
     R"({"architectures": ["DeepseekForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "auto_map": {"AutoConfig":
      "configuration_deepseek.DeepseekConfig"}, "aux_loss_alpha": 0.001, "bos_token_id": 100000, "eos_token_id": 100001,
      "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 10944,
      "max_position_embeddings": 4096, "model_type": "deepseek", "moe_intermediate_size": 1408, "moe_layer_freq": 1, "n_routed_experts": 64,
      "n_shared_experts": 2, "norm_topk_prob": false, "num_attention_heads": 16, "num_experts_per_tok": 6, "num_hidden_layers": 28,
      "num_key_value_heads": 16, "pretraining_tp": 1, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 10000,
      "scoring_func": "softmax", "seq_aux": true, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.36.0",
      "use_cache": true, "vocab_size": 102400})"},
    {"DeepSeek-V2-Lite", R"({"architectures": ["DeepseekV2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "auto_map": {},
      "aux_loss_alpha": 0.001, "bos_token_id": 100000, "eos_token_id": 100001, "ep_size": 1, "first_k_dense_replace": 1, "hidden_act": "silu",
      "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 10944, "kv_lora_rank": 512, "max_position_embeddings": 163840,
      "model_type": "deepseek_v2", "moe_intermediate_size": 1408, "moe_layer_freq": 1, "n_group": 1, "n_routed_experts": 64,
      "n_shared_experts": 2, "norm_topk_prob": false, "num_attention_heads": 16, "num_experts_per_tok": 6, "num_hidden_layers": 27,
      "num_key_value_heads": 16, "pretraining_tp": 1, "q_lora_rank": null, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
      "rms_norm_eps": 1e-06, "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707,
      "original_max_position_embeddings": 4096, "type": "yarn"}, "rope_theta": 10000, "routed_scaling_factor": 1.0, "scoring_func": "softmax",
      "seq_aux": true, "tie_word_embeddings": false, "topk_group": 1, "topk_method": "greedy", "torch_dtype": "bfloat16",
      "transformers_version": "4.33.1", "use_cache": true, "v_head_dim": 128, "vocab_size": 102400})"},
    {"Qwen1.5-MoE", R"({"architectures": ["Qwen2MoeForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
      "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 5632, "max_position_embeddings": 8192,
      "max_window_layers": 21, "model_type": "qwen2_moe", "num_attention_heads": 16, "num_hidden_layers": 24, "num_key_value_heads": 16,
      "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
      "transformers_version": "4.39.0.dev0", "use_cache": true, "use_sliding_window": false, "vocab_size": 151936,
      "decoder_sparse_step": 1, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "num_experts_per_tok": 4,
      "num_experts": 60, "norm_topk_prob": false, "output_router_logits": false, "router_aux_loss_coef": 0.001})"},
    {"Qwen3-MoE", R"({"architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 151643,
      "decoder_sparse_step": 1, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
      "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48, "mlp_only_layers": [], "model_type": "qwen3_moe",
      "moe_intermediate_size": 768, "norm_topk_prob": true, "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8,
      "num_hidden_layers": 48, "num_key_value_heads": 4, "output_router_logits": false, "rms_norm_eps": 1e-06, "rope_scaling": null,
      "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
      "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})"},
    {"Llama 2",
     R"({"_name_or_path": "meta-llama/Llama-2-7b-hf", "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
      "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008, "max_position_embeddings": 4096,
      "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "pretraining_tp": 1,
      "rms_norm_eps": 1e-05, "rope_scaling": null, "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.31.0.dev0",
      "use_cache": true, "vocab_size": 32000, "pad_token_id": -1, "max_sequence_length": 2048})"},
    {"Llama 3.1", R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
      "eos_token_id": [128001, 128008, 128009], "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
      "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32,
      "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0,
      "high_freq_factor": 4.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "rope_theta": 500000.0,
      "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.42.3", "use_cache": true, "vocab_size": 128256})"},
    {"SmolLM2",
     R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
      "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041666666666666664, "intermediate_size": 1536, "is_llama_config": true,
      "max_position_embeddings": 8192, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30,
      "num_key_value_heads": 3, "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": false, "rope_scaling": null,
      "rope_theta": 100000, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.42.3",
      "transformers.js_config": {"dtype": "q4"}, "use_cache": true, "vocab_size": 49152})"},
    {"Mistral",
     R"({"architectures": ["MistralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
      "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral",
      "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
      "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.42.0.dev0",
      "use_cache": true, "vocab_size": 32768})"},
    {"transformers 5", R"({"architectures": ["OlmoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": null,
      "clip_qkv": null, "dtype": "bfloat16", "eos_token_id": 50279, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
      "intermediate_size": 1024, "max_position_embeddings": 4096, "model_type": "olmoe", "norm_topk_prob": false, "num_attention_heads": 16,
      "num_experts": 64, "num_experts_per_tok": 8, "num_hidden_layers": 16, "num_key_value_heads": 16, "output_router_logits": false,
      "pad_token_id": 1, "rms_norm_eps": 1e-05, "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
      "router_aux_loss_coef": 0.01, "tie_word_embeddings": false, "transformers_version": "5.24.0", "use_cache": true, "vocab_size": 50304})"},
};

std::string warnings_of(const Json& config, const std::string& where) {
  ::testing::internal::CaptureStderr();
  read_shape(config, where);
  return ::testing::internal::GetCapturedStderr();
}

Json config_of(std::string_view family) { return find_arch(std::string(family), "test").config(tiny_shape_of(family)); }

TEST(ForeignConfig, PublishedFilesAreReadWithoutAWord) {
  for (const auto& [name, text] : kPublished) EXPECT_EQ(warnings_of(parse_json(text, name), std::string("published ") + name), "") << name;
}

TEST(ForeignConfig, AnUnknownKeyIsNamedOnceAndInertOnesAreNot) {
  Json config = config_of("olmoe");
  config["some_new_block"] = {{"width", 3}};
  config["off"] = false;
  config["none"] = nullptr;
  const std::string first = warnings_of(config, "unknown/config.json");
  EXPECT_CONTAINS(first, "unknown/config.json: key \"some_new_block\" is {\"width\":3}");
  EXPECT_EQ(first.find("off"), std::string::npos);
  EXPECT_EQ(warnings_of(config, "unknown/config.json"), "") << "a command reads the file several times";
}

const std::vector<std::pair<const char*, Json>>& bad_values() {
  static const std::vector<std::pair<const char*, Json>> table = {
      {"attn_logit_softcapping", 50.0},
      {"final_logit_softcapping", 30.0},
      {"logits_scaling", 8.0},
      {"logit_scale", 0.0625},
      {"embedding_multiplier", 12.0},
      {"residual_multiplier", 0.22},
      {"attention_multiplier", 0.0078},
      {"partial_rotary_factor", 0.5},
      {"query_pre_attn_scalar", 256},
      {"rope_interleaved", true},
      {"use_qk_norm", true},
      {"qk_layernorm", true},
      {"alibi", true},
      {"no_rope_layers", {1, 0}},
      {"attention_chunk_size", 8192},
      {"mlp_bias", true},
      {"use_bias", true},
      {"use_sliding_window", true},
      {"is_encoder_decoder", true},
      {"pruned_heads", {{"0", {1}}}},
      {"scoring_func", "sigmoid"},
      {"topk_method", "noaux_tc"},
      {"quantization_config", {{"quant_method", "gptq"}}},
      {"compression_config", {{"format", "int"}}},
      {"hidden_act", "gelu"},
      {"layer_types", "full_attention"},
      {"layer_types", {1, 2}},
      {"layer_types", {"full_attention", "chunked_attention"}},
      {"layer_types", {"full_attention", "sliding_attention"}},
      {"layer_types", {"linear_attention", "linear_attention"}},
      {"layer_types", {"full_attention"}},
      {"rope_scaling", {{"rope_type", "default"}, {"mrope_section", {1, 2}}}},
      {"rope_scaling", {{"factor", 4.0}}},
      {"rope_scaling", {{"rope_type", "linear"}, {"factor", 2.0}, {"partial_rotary_factor", 0.5}}},
      {"rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}},
      {"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2}}},
      {"rms_norm_eps", -1},
      {"rms_norm_eps", 0},
      {"rms_norm_eps", 5},
      {"rms_norm_eps", "small"},
      {"rope_theta", -10000},
      {"rope_theta", 1e300},
      {"num_hidden_layers", 5000},
      {"num_attention_heads", 0},
      {"vocab_size", -1},
      {"vocab_size", int64_t{1} << 60},
      {"hidden_size", "16"},
      {"max_position_embeddings", 0},
      {"max_position_embeddings", int64_t{1} << 50},
      {"tie_word_embeddings", "yes"},
      {"router_aux_loss_coef", -1}};
  return table;
}

/// Keys of other models that would change the pass: refused in every family that does not compute with them.
TEST(ForeignConfig, KeysThatWouldChangeThePassAreRefusedInEveryFamily) {
  for (const Arch& arch : archs()) {
    for (const auto& [key, value] : bad_values()) {
      Json config = config_of(arch.model_type);
      config[key] = value;
      const std::string message = error_of<FormatError>([&] { read_shape(config, "some/config.json"); });
      EXPECT_CONTAINS(message, "some/config.json") << arch.model_type << " " << key;
      EXPECT_CONTAINS(message, key) << arch.model_type << value.dump();
    }
  }
}

/// Of the keys that some family computes with, a family without them takes only the values at which they do nothing.
TEST(ForeignConfig, KeysOfOtherFamiliesAreRefused) {
  const std::vector<std::tuple<const char*, const char*, Json>> table = {{"llama", "num_local_experts", 8},
                                                                         {"mistral", "n_routed_experts", 8},
                                                                         {"mixtral", "n_shared_experts", 2},
                                                                         {"olmoe", "n_shared_experts", 1},
                                                                         {"qwen3_moe", "shared_expert_intermediate_size", 16},
                                                                         {"olmoe", "first_k_dense_replace", 1},
                                                                         {"mixtral", "routed_scaling_factor", 2.5},
                                                                         {"olmoe", "mlp_only_layers", {0}},
                                                                         {"mixtral", "decoder_sparse_step", 2},
                                                                         {"mixtral", "clip_qkv", 8.0},
                                                                         {"qwen3_moe", "kv_lora_rank", 512},
                                                                         {"olmoe", "qkv_bias", true},
                                                                         {"deepseek", "topk_method", "group_limited_greedy"},
                                                                         {"olmoe", "clip_qkv", 0},
                                                                         {"olmoe", "clip_qkv", -3}};
  for (const auto& [family, key, value] : table) {
    Json config = config_of(family);
    config[key] = value;
    EXPECT_CONTAINS(error_of<FormatError>([&] { read_shape(config, "c"); }), key) << family;
  }
  Json neutral = config_of("olmoe");
  for (const auto& [key, value] : std::vector<std::pair<const char*, Json>>{
           {"routed_scaling_factor", 1.0}, {"scoring_func", "softmax"}, {"mlp_only_layers", Json::array()}, {"partial_rotary_factor", 1}})
    neutral[key] = value;
  EXPECT_EQ(warnings_of(neutral, "neutral"), "");
}

/// What a family's class takes where a key is absent.
TEST(ForeignConfig, AbsentKeysMeanWhatTheClassSays) {
  const auto without = [](const char* family, const char* key) {
    Json config = config_of(family);
    config["num_attention_heads"] = 8;
    config["head_dim"] = 4;
    config.erase(key);
    return read_shape(config, "c");
  };
  EXPECT_EQ(without("mixtral", "num_key_value_heads").kv_heads, 8);
  EXPECT_EQ(without("qwen3_moe", "num_key_value_heads").kv_heads, 4);
  EXPECT_EQ(without("llama", "num_key_value_heads").kv_heads, 8);
  EXPECT_EQ(without("mixtral", "rope_theta").rope.theta, 1e6);
  EXPECT_EQ(without("mistral", "sliding_window").window, 4096);
  EXPECT_EQ(without("mixtral", "sliding_window").window, 0);
  EXPECT_EQ(without("olmoe", "rms_norm_eps").rms_eps, 1e-5);
  EXPECT_EQ(without("llama", "rms_norm_eps").rms_eps, 1e-6);
}

}  // namespace
}  // namespace hellora::testing
