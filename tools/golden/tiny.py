"""The tiny OLMoE models of the golden cases and the one batch they all see."""
import torch
from transformers import OlmoeConfig, OlmoeForCausalLM

VOCAB, LENGTHS = 97, (11, 7)
PROMPT = (3, 2)  # leading positions of each row without a label
CASES = {
    "base": {"seed": 10, "clip_qkv": None, "norm_topk_prob": False},
    "clip_norm": {"seed": 4, "clip_qkv": 0.5, "norm_topk_prob": True},
}


def config(case):
    options = CASES[case]
    return OlmoeConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        num_experts=6,
        num_experts_per_tok=2,
        norm_topk_prob=options["norm_topk_prob"],
        clip_qkv=options["clip_qkv"],
        router_aux_loss_coef=0.01,
        output_router_logits=False,
        initializer_range=0.2,
        tie_word_embeddings=False,
        use_cache=False,
        pad_token_id=1,
        bos_token_id=None,
        eos_token_id=0,
    )


def build(case):
    """The case's model in float32: weights N(0, 0.2), every norm weight U(0.5, 1.5), so that a forgotten one shows."""
    torch.manual_seed(CASES[case]["seed"])
    model = OlmoeForCausalLM._from_config(config(case), attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(0.0, 0.2)
    return model.eval()


def load(folder, dtype):
    """The saved model; in float64 the saved float32 weights are widened and the rotary table is computed anew."""
    model = OlmoeForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval().to(dtype)
    if dtype == torch.float64:
        rotary = model.model.rotary_emb
        width = model.config.hidden_size // model.config.num_attention_heads
        exponent = torch.arange(0, width, 2, dtype=torch.float64) / width
        rotary.inv_freq = model.config.rope_theta**-exponent
        rotary.original_inv_freq = rotary.inv_freq
    return model


def batch(case):
    """Two rows, the second right-padded; labels are -100 on padding and on the prompts."""
    generator = torch.Generator().manual_seed(CASES[case]["seed"] + 1000)
    ids = torch.randint(2, VOCAB, (len(LENGTHS), max(LENGTHS)), generator=generator)
    positions = torch.arange(max(LENGTHS))
    mask = (positions[None] < torch.tensor(LENGTHS)[:, None]).long()
    ids = torch.where(mask == 1, ids, torch.ones_like(ids))
    supervised = (mask == 1) & (positions[None] >= torch.tensor(PROMPT)[:, None])
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "lengths": torch.tensor(LENGTHS),
        "labels": torch.where(supervised, ids, torch.full_like(ids, -100)),
    }
