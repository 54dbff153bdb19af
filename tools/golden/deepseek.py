"""DeepSeekMoE 16B (`deepseek`), which has no class in transformers: a Llama model with the MoE module of DeepSeek-V2."""
from transformers import DeepseekV2Config, LlamaConfig, LlamaForCausalLM
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2MoE

MOE_KEYS = ("hidden_size", "hidden_act", "moe_intermediate_size", "n_routed_experts", "n_shared_experts", "num_experts_per_tok", "norm_topk_prob")


class DeepseekConfig(LlamaConfig):
    model_type = "deepseek"

    def to_dict(self):
        """The keys of the published config.json: it has neither of the two, and says torch_dtype."""
        written = super().to_dict()
        for key in ("head_dim", "mlp_bias"):
            written.pop(key, None)
        if "dtype" in written:
            written["torch_dtype"] = written.pop("dtype")
        return written


class DeepseekForCausalLM(LlamaForCausalLM):
    config_class = DeepseekConfig

    def __init__(self, config):
        super().__init__(config)
        moe = DeepseekV2Config(topk_method="greedy", routed_scaling_factor=1.0, **{key: getattr(config, key) for key in MOE_KEYS})
        for i, layer in enumerate(self.model.layers):
            if i >= config.first_k_dense_replace and i % config.moe_layer_freq == 0:
                layer.mlp = DeepseekV2MoE(moe)
