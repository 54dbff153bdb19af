"""The tiny models of the golden cases and the one batch that a case sees."""
import math

import cases
import torch
import transformers
from precision import running_in

LENGTHS = (11, 7)
PROMPT = (3, 2)  # leading positions of each row without a label


def classes(case):
    """(config class, model class) of the case's family."""
    source, prefix = transformers, cases.FAMILIES[cases.family_of(case)]["classes"]
    if prefix == "Deepseek":
        import deepseek as source
    return getattr(source, f"{prefix}Config"), getattr(source, f"{prefix}ForCausalLM")


def build(case):
    """The case's model in float32: weights and biases N(0, 0.2), every norm weight U(0.5, 1.5), so that a forgotten one shows."""
    config_class, model_class = classes(case)
    torch.manual_seed(cases.CASES[case]["seed"])
    model = model_class._from_config(config_class(**cases.options(case)), attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 and not name.endswith(".bias"):
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(0.0, 0.2)
    return model.eval()


def load(case, folder, dtype):
    """The saved model; in float64 the saved float32 weights are widened and the rotary table is computed anew."""
    model = classes(case)[1].from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval().to(dtype)
    if dtype == torch.float64:
        rotary = model.model.rotary_emb
        with running_in(dtype):
            rotary.inv_freq, rotary.attention_scaling = rotary.rope_init_fn(rotary.config, None)
        rotary.original_inv_freq = rotary.inv_freq
    if cases.CASES[case].get("softmax_scale") == "original":
        use_original_scale(model)
    return model


def use_original_scale(model):
    """The softmax scale of DeepSeek's own code (and of transformers 5): times g(mscale_all_dim)^2."""
    yarn = model.config.rope_scaling
    g = 0.1 * yarn["mscale_all_dim"] * math.log(yarn["factor"]) + 1.0
    for layer in model.model.layers:
        layer.self_attn.scaling *= g * g


def batch(case):
    """Two rows, the second right-padded; labels are -100 on padding and on the prompts."""
    generator = torch.Generator().manual_seed(cases.CASES[case]["seed"] + 1000)
    ids = torch.randint(2, cases.VOCAB, (len(LENGTHS), max(LENGTHS)), generator=generator)
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
