"""Writes GGUF files out of model folders with the standard library, as llama.cpp's converter lays them out.

    python3 lib_gguf.py MODEL OUT [CHANGE]

CHANGE is Python over the file about to be written, called g: g.keys {key: (type, value)}, g.tensors {name: (sizes, type, bytes)},
g.version, g.magic; `g.cut` bytes are left off the end.
"""
import json
import re
import struct
import sys

from lib_tensors import read

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
BF16 = 30
# Families of config.json: how llama.cpp calls them, and whether it stores the rows of q and k in pairs.
LAYOUTS = {
    "llama": ("llama", True), "mistral": ("llama", True), "mixtral": ("llama", True), "qwen2_moe": ("qwen2moe", False),
    "qwen3_moe": ("qwen3moe", False), "olmoe": ("olmoe", False), "deepseek": ("deepseek", True), "deepseek_v2": ("deepseek2", False),
}
NAMES = [
    (r"model\.embed_tokens", "token_embd"), (r"model\.norm", "output_norm"), (r"lm_head", "output"),
    (r"input_layernorm", "attn_norm"), (r"post_attention_layernorm", "ffn_norm"), (r"self_attn\.([qkv])_proj", r"attn_\1"),
    (r"self_attn\.o_proj", "attn_output"), (r"self_attn\.([qk])_norm", r"attn_\1_norm"), (r"self_attn\.(q_[ab]|kv_b)_proj", r"attn_\1"),
    (r"self_attn\.kv_a_proj_with_mqa", "attn_kv_a_mqa"), (r"self_attn\.(q|kv)_a_layernorm", r"attn_\1_a_norm"),
    (r"(mlp|block_sparse_moe)\.gate", "ffn_gate_inp"), (r"mlp\.shared_expert_gate", "ffn_gate_inp_shexp"),
    (r"mlp\.shared_experts?\.(\w+)_proj", r"ffn_\1_shexp"), (r"mlp\.(\w+)_proj", r"ffn_\1"),
]
MIXTRAL = {"w1": "gate", "w3": "up", "w2": "down"}


def gguf_name(hub):
    """("blk.3.ffn_gate_exps.weight", expert) of a hub name; expert is None where there is none."""
    path, kind = hub.rsplit(".", 1)
    layer, rest = "", path
    if match := re.fullmatch(r"model\.layers\.(\d+)\.(.*)", path):
        layer, rest = f"blk.{match[1]}.", match[2]
    if match := re.fullmatch(r"(?:mlp|block_sparse_moe)\.experts\.(\d+)\.(\w+?)(?:_proj)?", rest):
        return f"{layer}ffn_{MIXTRAL.get(match[2], match[2])}_exps.{kind}", int(match[1])
    for pattern, name in NAMES:
        if match := re.fullmatch(pattern, rest):
            return f"{layer}{match.expand(name)}.{kind}", None
    raise ValueError(hub)


def paired(data, rows, heads):
    """Rows j and j + half of each head side by side."""
    width, head = len(data) // rows, rows // heads
    row = lambda i: data[i * width : (i + 1) * width]
    return b"".join(row(h * head + i * (head // 2) + j) for h in range(heads) for j in range(head // 2) for i in range(2))


class Gguf:
    def __init__(self, model):
        self.config = json.load(open(model + "/config.json"))
        self.magic, self.version, self.alignment, self.cut = b"GGUF", 3, 32, 0
        self.keys, self.tensors = {}, {}
        self.arch, self.permuted = LAYOUTS[self.config["model_type"]]
        self.describe()
        self.take_tensors(model)
        self.take_tokenizer(model)

    def set(self, key, kind, value):
        self.keys[key] = (kind, value)

    def describe(self):
        config, arch = self.config, self.arch + "."
        self.set("general.architecture", STRING, self.arch)
        self.set("general.name", STRING, "made by a test")
        numbers = {
            "embedding_length": "hidden_size", "block_count": "num_hidden_layers", "context_length": "max_position_embeddings",
            "attention.head_count": "num_attention_heads", "attention.head_count_kv": "num_key_value_heads",
            "feed_forward_length": "intermediate_size", "vocab_size": "vocab_size", "expert_used_count": "num_experts_per_tok",
            "expert_feed_forward_length": "moe_intermediate_size", "attention.q_lora_rank": "q_lora_rank",
            "attention.kv_lora_rank": "kv_lora_rank", "attention.value_length": "v_head_dim", "rope.dimension_count": "qk_rope_head_dim",
            "leading_dense_block_count": "first_k_dense_replace", "expert_shared_count": "n_shared_experts",
            "expert_shared_feed_forward_length": "shared_expert_intermediate_size", "attention.key_length": "head_dim",
        }
        for key, hub in numbers.items():
            if config.get(hub) is not None:
                self.set(arch + key, U32, config[hub])
        experts = [config[key] for key in ("num_experts", "num_local_experts", "n_routed_experts") if config.get(key)]
        if experts:
            self.set(arch + "expert_count", U32, experts[0])
        if self.arch == "deepseek2":
            self.set(arch + "attention.key_length", U32, config["qk_nope_head_dim"] + config["qk_rope_head_dim"])
            self.set(arch + "expert_weights_scale", F32, config["routed_scaling_factor"])
        self.set(arch + "attention.layer_norm_rms_epsilon", F32, config["rms_norm_eps"])
        self.set(arch + "rope.freq_base", F32, config["rope_theta"])
        scaling = config.get("rope_scaling")
        if scaling:
            self.set(arch + "rope.scaling.type", STRING, scaling["rope_type"])
            self.set(arch + "rope.scaling.factor", F32, scaling["factor"])
            self.set(arch + "rope.scaling.original_context_length", U32, scaling["original_max_position_embeddings"])
            if scaling.get("mscale_all_dim"):
                self.set(arch + "rope.scaling.yarn_log_multiplier", F32, 0.1 * scaling["mscale_all_dim"])

    def take_tensors(self, model):
        experts = {}
        for hub, (dtype, shape, data) in read(model).items():
            name, expert = gguf_name(hub)
            kind = {"F32": 0, "F16": 1, "BF16": BF16}[dtype]
            if self.permuted and re.search(r"attn_[qk]\.", name):
                heads = self.config["num_attention_heads" if "attn_q" in name else "num_key_value_heads"]
                data = paired(data, shape[0], heads)
            if expert is None:
                self.tensors[name] = (list(shape) if shape != (1, self.config["hidden_size"]) else list(shape[1:]), kind, data)
            else:
                experts.setdefault(name, {})[expert] = (shape, kind, data)
        for name, parts in experts.items():
            shape, kind, _ = parts[0]
            self.tensors[name] = ([len(parts), *shape], kind, b"".join(parts[e][2] for e in range(len(parts))))

    def take_tokenizer(self, model):
        tokenizer, config = (json.load(open(f"{model}/{name}.json")) for name in ("tokenizer", "tokenizer_config"))
        added = {token["id"]: token for token in tokenizer["added_tokens"]}
        tokens = {number: token for token, number in tokenizer["model"]["vocab"].items()}
        tokens.update({number: token["content"] for number, token in added.items()})
        order = [tokens[i] for i in range(len(tokens))]
        types = [(3 if added[i]["special"] else 4) if i in added else 1 for i in range(len(tokens))]
        self.set("tokenizer.ggml.model", STRING, "gpt2")
        self.set("tokenizer.ggml.pre", STRING, "smollm")
        self.set("tokenizer.ggml.tokens", ARRAY, (STRING, order))
        self.set("tokenizer.ggml.token_type", ARRAY, (I32, types))
        self.set("tokenizer.ggml.merges", ARRAY, (STRING, [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]))
        for key, name in (("eos", "eos_token"), ("padding", "pad_token"), ("bos", "bos_token")):
            if config.get(name):
                self.set(f"tokenizer.ggml.{key}_token_id", U32, order.index(config[name]))

    @staticmethod
    def value(kind, value):
        if kind == STRING:
            text = value if isinstance(value, bytes) else value.encode()
            return struct.pack("<Q", len(text)) + text
        if kind == ARRAY:
            inner, elements = value
            return struct.pack("<IQ", inner, len(elements)) + b"".join(Gguf.value(inner, one) for one in elements)
        return struct.pack({U32: "<I", F32: "<f", BOOL: "<?", I32: "<i"}[kind], value)

    def bytes(self):
        out = self.magic + struct.pack("<IQQ", self.version, len(self.tensors), len(self.keys))
        for key, (kind, value) in self.keys.items():
            out += self.value(STRING, key) + struct.pack("<I", kind) + self.value(kind, value)
        body = bytearray()
        for name, (sizes, kind, data) in self.tensors.items():
            out += self.value(STRING, name) + struct.pack("<I", len(sizes)) + struct.pack(f"<{len(sizes)}Q", *reversed(sizes))
            out += struct.pack("<IQ", kind, len(body))
            body += data + bytes(-len(data) % self.alignment)
        out += bytes(-len(out) % self.alignment) + body
        return bytes(out[: len(out) - self.cut])


if __name__ == "__main__":
    g = Gguf(sys.argv[1])
    exec(sys.argv[3] if len(sys.argv) > 3 else "")
    with open(sys.argv[2], "wb") as stream:
        stream.write(g.bytes())
