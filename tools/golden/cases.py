"""The table of golden cases: what each family shares, and one row per tiny model."""

import torch

VOCAB, HIDDEN = 97, 32
SHARED = {
    "vocab_size": VOCAB,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "initializer_range": 0.2,
    "tie_word_embeddings": False,
    "use_cache": False,
    "pad_token_id": 1,
    "bos_token_id": None,
    "eos_token_id": 0,
}
EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2}
AUX = {"router_aux_loss_coef": 0.01, "output_router_logits": False}
DEEPSEEK = {
    "intermediate_size": 40,
    "moe_intermediate_size": 24,
    "n_routed_experts": 6,
    "n_shared_experts": 2,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "norm_topk_prob": False,
    "aux_loss_alpha": 0.001,
    "seq_aux": True,
}
MLA = {"num_key_value_heads": 4, "kv_lora_rank": 12, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 10, "q_lora_rank": None}
MLA_GRADS = ("q_proj.weight", "kv_a_proj_with_mqa.weight", "kv_a_layernorm.weight", "kv_b_proj.weight", "o_proj.weight")
QKVO = tuple(f"{kind}_proj.weight" for kind in "qkvo")
QWEN2_BIASES = tuple(f"{kind}_proj.bias" for kind in "qkv")

# classes: prefix of the transformers classes; attention: its parameters whose gradients are stored.
FAMILIES = {
    "olmoe": {"classes": "Olmoe", "options": {**EXPERTS, **AUX, "intermediate_size": 24}, "attention": ("q_proj.weight", "k_norm.weight")},
    "qwen3_moe": {
        "classes": "Qwen3Moe",
        "options": {**EXPERTS, **AUX, "moe_intermediate_size": 24, "intermediate_size": 40, "head_dim": 16},
        "attention": ("q_proj.weight", "o_proj.weight", "q_norm.weight", "k_norm.weight"),
    },
    "mixtral": {
        "classes": "Mixtral",
        "options": {"num_local_experts": 6, "num_experts_per_tok": 2, **AUX, "intermediate_size": 24, "router_jitter_noise": 0.0},
        "attention": ("q_proj.weight", "k_proj.weight"),
    },
    "qwen2_moe": {
        "classes": "Qwen2Moe",
        "options": {**EXPERTS, **AUX, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 40, "intermediate_size": 48},
        "attention": ("q_proj.weight", *QWEN2_BIASES),
    },
    "deepseek_v2": {"classes": "DeepseekV2", "options": {**DEEPSEEK, **MLA}, "attention": MLA_GRADS},
    "deepseek": {"classes": "Deepseek", "options": {**DEEPSEEK, "moe_layer_freq": 1, "scoring_func": "softmax"}, "attention": QKVO},
    "llama": {"classes": "Llama", "options": {"intermediate_size": 48}, "attention": QKVO},
    "mistral": {"classes": "Mistral", "options": {"intermediate_size": 48, "sliding_window": None}, "attention": QKVO},
}

GROUPS = {"topk_method": "group_limited_greedy", "n_group": 3, "topk_group": 2, "num_experts_per_tok": 3, "routed_scaling_factor": 2.5}
Q_LORA_GRADS = ("q_a_proj.weight", "q_a_layernorm.weight", "q_b_proj.weight", *MLA_GRADS[1:])
# A theta of 10 and eight rotary dimensions: the ramp takes the values 0, 1/2, 1, 1.
YARN_RAMP = {"type": "yarn", "factor": 4, "beta_fast": 32, "beta_slow": 1, "original_max_position_embeddings": 16}
YARN = {**YARN_RAMP, "mscale": 0.707, "mscale_all_dim": 0.707}
YARN_OPTIONS = {"qk_rope_head_dim": 8, "rope_theta": 10.0, "max_position_embeddings": 64, "rope_scaling": YARN}
# With theta 100 the four frequencies meet all three branches: kept, blended, divided, divided.
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}

# seed: of the weights; seed + 1000 of the batch, seed + 2000 of the adapters. more: folders made besides the model itself.
CASES = {
    "olmoe/base": {
        "seed": 10,
        "options": {"clip_qkv": None, "norm_topk_prob": False},
        "more": ("lora", "lora_patterns", "lora_embed", "full", "fused"),
    },
    "olmoe/clip_norm": {"seed": 4, "options": {"clip_qkv": 0.5, "norm_topk_prob": True}, "more": ("lora",)},
    "qwen3_moe/base": {"seed": 11, "options": {"norm_topk_prob": True}, "more": ("lora",)},
    "qwen3_moe/mixed": {"seed": 3, "options": {"norm_topk_prob": False, "mlp_only_layers": [1]}},
    "mixtral/base": {"seed": 1, "options": {}, "more": ("lora",)},
    "mixtral/sliding": {"seed": 1, "options": {"sliding_window": 4}},
    "qwen2_moe/base": {"seed": 1, "options": {"norm_topk_prob": False, "mlp_only_layers": [1]}, "more": ("lora",)},
    "qwen2_moe/step": {"seed": 1, "options": {"norm_topk_prob": True, "num_hidden_layers": 4, "decoder_sparse_step": 2}},
    "deepseek_v2/base": {"seed": 8, "options": {}, "more": ("lora",)},
    "deepseek_v2/q_lora": {"seed": 2, "options": {**GROUPS, "q_lora_rank": 12}, "attention": Q_LORA_GRADS, "more": ("lora",)},
    "deepseek_v2/yarn": {"seed": 1, "options": YARN_OPTIONS, "softmax_scale": "original"},
    "deepseek_v2/yarn_plain": {"seed": 1, "options": {**YARN_OPTIONS, "num_hidden_layers": 2}, "softmax_scale": "plain"},
    "deepseek_v2/yarn_ratio": {
        "seed": 2,
        "options": {**YARN_OPTIONS, "num_hidden_layers": 2, "rope_scaling": {**YARN, "mscale": 1.0, "mscale_all_dim": 0.5}},
        "softmax_scale": "original",
    },
    "deepseek/base": {"seed": 1, "options": {}, "more": ("lora",)},
    "llama/base": {"seed": 1, "options": {"tie_word_embeddings": True, "rope_theta": 100.0, "rope_scaling": LLAMA3}, "more": ("lora", "methods")},
    "llama/linear": {"seed": 1, "options": {"attention_bias": True, "rope_scaling": {"rope_type": "linear", "factor": 4.0}}},
    "mistral/base": {"seed": 1, "options": {}, "more": ("lora",)},
    "mistral/sliding": {"seed": 1, "options": {"sliding_window": 4}},
}


def family_of(case):
    return case.split("/")[0]


def options(case):
    return {**SHARED, **FAMILIES[family_of(case)]["options"], **CASES[case]["options"]}


def extras(case):
    return CASES[case].get("more", ())


def dtypes(case):
    """float32 is stored for one family only: elsewhere the tests compare with the rounded float64 values."""
    return (torch.float32, torch.float64) if family_of(case) == "olmoe" else (torch.float64,)


def attention_grads(case):
    return CASES[case].get("attention", FAMILIES[family_of(case)]["attention"])


def facts(case):
    """What every manifest of the case names."""
    scale = {"softmax_scale": CASES[case]["softmax_scale"]} if "softmax_scale" in CASES[case] else {}
    return {"case": case.split("/")[1], "seed": CASES[case]["seed"], **scale}
