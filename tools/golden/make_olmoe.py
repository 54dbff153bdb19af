#!/usr/bin/env python3
"""Writes the golden files of the olmoe architecture.

    make_olmoe.py FOLDER     with transformers 4 and PEFT: everything except fused/
    make_olmoe.py FOLDER     with transformers 5, after that: base/fused/, from base/
FOLDER is tests/golden/olmoe in the repository.
"""
import pathlib
import shutil
import sys

import probe
import store
import tiny
import torch
import transformers
from precision import running_in

LAYER = "model.layers.1"
GRADS = [
    "model.embed_tokens.weight",
    "model.layers.0.input_layernorm.weight",
    f"{LAYER}.self_attn.q_proj.weight",
    f"{LAYER}.self_attn.k_norm.weight",
    f"{LAYER}.mlp.gate.weight",
    *(f"{LAYER}.mlp.experts.{e}.{kind}_proj.weight" for e in range(6) for kind in ("gate", "down")),
    "model.norm.weight",
    "lm_head.weight",
]
GRADS_AUX = ["model.layers.0.mlp.gate.weight", f"{LAYER}.mlp.gate.weight", "model.layers.0.self_attn.q_proj.weight"]
FULL = [
    "model.embed_tokens.weight",
    *(f"{LAYER}.mlp.experts.2.{kind}_proj.weight" for kind in ("gate", "up", "down")),
    f"{LAYER}.mlp.gate.weight",
    f"{LAYER}.self_attn.q_norm.weight",
    "model.layers.2.input_layernorm.weight",
    "model.norm.weight",
    "lm_head.weight",
]
FULL_STEPS = {"lr": 1e-3, "weight_decay": 0.0}


def golden(case, folder, dtype):
    batch, model = tiny.batch(case), tiny.load(folder, dtype)
    weights = dict(model.named_parameters())
    with running_in(dtype):
        result = probe.run(model, batch)
        tensors = batch | probe.forward_tensors(model, result, batch)
        tensors |= probe.gradients(result["loss"], {name: weights[name] for name in GRADS}, "grad")
        total = result["loss"] + model.config.router_aux_loss_coef * result["aux"]
        tensors |= probe.gradients(total, {name: weights[name] for name in GRADS_AUX}, "grad_aux")
    return tensors


def full(case, folder, dtype):
    """Every weight trained; an expert without tokens keeps its weights, since weight decay is off."""
    model = tiny.load(folder, dtype)
    losses, after = probe.train(model, tiny.batch(case), dict(model.named_parameters()), dtype, **FULL_STEPS)
    return losses | {f"step3.{name}": after[f"step3.{name}"] for name in FULL}


def save_model(model, folder, **options):
    model.save_pretrained(folder, **options)
    (folder / "generation_config.json").unlink(missing_ok=True)


def make_case(case, root):
    import lora

    folder = root / case
    shutil.rmtree(folder, ignore_errors=True)
    save_model(tiny.build(case), folder)
    seed = tiny.CASES[case]["seed"]
    facts = {"case": case, "seed": seed, "dtypes": ["float32", "float64"]}
    for dtype in store.NAMES:
        store.save_golden(folder, dtype, golden(case, folder, dtype))
    store.save_manifest(folder, **facts)
    lora.make(case, folder, "lora", ("grads", "steps", "merged"))
    if case != "base":
        return
    lora.make(case, folder, "lora_patterns", ("merged",))
    lora.make(case, folder, "lora_embed", ("grads",))
    save_model(tiny.load(folder, torch.float32), folder / "sharded", max_shard_size="150KB")
    store.save_manifest(folder / "sharded", **facts)
    for dtype in store.NAMES:
        store.save_golden(folder / "full", dtype, full(case, folder, dtype))
    store.save_manifest(folder / "full", **facts, adamw={**FULL_STEPS, "betas": [0.9, 0.999], "eps": 1e-8, "steps": 3})


def make_fused(root):
    """The layout that transformers 5 holds in memory, with its config spelling."""
    folder = root / "base" / "fused"
    shutil.rmtree(folder, ignore_errors=True)
    model = transformers.OlmoeForCausalLM.from_pretrained(root / "base", dtype=torch.float32)
    save_model(model, folder, save_original_format=False)
    store.save_manifest(folder, case="base", seed=tiny.CASES["base"]["seed"], dtypes=["float32"])


def main(root):
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    if transformers.__version__.startswith("5."):
        make_fused(root)
    else:
        for case in tiny.CASES:
            make_case(case, root)
    store.check_sizes(root)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
