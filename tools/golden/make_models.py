#!/usr/bin/env python3
"""Writes the golden files of the model families.

    make_models.py FOLDER [FAMILY | FAMILY/CASE ...]
FOLDER is tests/golden/fixtures in the repository. With transformers 4 and PEFT: everything except fused/. With transformers 5, after that:
fused/, and a check that transformers 5 computes the same logits.
"""
import pathlib
import shutil
import sys

import cases
import parts
import probe
import store
import tiny
import torch
import transformers
from precision import running_in
from safetensors.torch import load_file

FULL_LAYER = "model.layers.1"
FULL = [
    "model.embed_tokens.weight",
    *(f"{FULL_LAYER}.mlp.experts.2.{kind}_proj.weight" for kind in ("gate", "up", "down")),
    f"{FULL_LAYER}.mlp.gate.weight",
    f"{FULL_LAYER}.self_attn.q_norm.weight",
    "model.layers.2.input_layernorm.weight",
    "model.norm.weight",
    "lm_head.weight",
]
FULL_STEPS = {"lr": 1e-3, "weight_decay": 0.0}
LORA = {"lora": ("grads", "steps", "merged"), "lora_patterns": ("merged",), "lora_embed": ("grads",)}


def golden(case, folder, dtype):
    batch, model = tiny.batch(case), tiny.load(case, folder, dtype)
    config = model.config
    named, gates = parts.stored_gradients(model, cases.attention_grads(case))
    with running_in(dtype):
        result = probe.run(model, batch)
        tensors = batch | probe.forward_tensors(model, result, batch)
        tensors |= probe.gradients(result["loss"], named, "grad")
        if "aux" in result:
            first = f"model.layers.0.self_attn.{cases.attention_grads(case)[0]}"
            total = result["loss"] + config.router_aux_loss_coef * result["aux"]
            tensors |= probe.gradients(total, {**gates, first: dict(model.named_parameters())[first]}, "grad_aux")
        if hasattr(config, "aux_loss_alpha"):
            aux = probe.deepseek_balance_loss(result["gates"].values(), batch["attention_mask"], config)
            tensors |= {"aux_deepseek": aux, **probe.gradients(result["loss"] + aux, gates, "grad_aux_deepseek")}
    return tensors


def full(case, folder, dtype):
    """Every weight trained; an expert without tokens keeps its weights, since weight decay is off."""
    model = tiny.load(case, folder, dtype)
    losses, after = probe.train(model, tiny.batch(case), dict(model.named_parameters()), dtype, **FULL_STEPS)
    return losses | {f"step3.{name}": after[f"step3.{name}"] for name in FULL}


def save_model(model, folder, **options):
    model.save_pretrained(folder, **options)
    (folder / "generation_config.json").unlink(missing_ok=True)


def make_case(case, root):
    import lora
    import methods

    folder, extras = root / case, cases.extras(case)
    shutil.rmtree(folder, ignore_errors=True)
    save_model(tiny.build(case), folder)
    if cases.CASES[case].get("softmax_scale") == "plain":
        store.edit_json(folder / "config.json", lambda config: config["rope_scaling"].update(scale_scores=False))  # hellora's own switch
    facts = {**cases.facts(case), "dtypes": store.names(cases.dtypes(case))}
    for dtype in cases.dtypes(case):
        store.save_golden(folder, dtype, golden(case, folder, dtype))
    store.save_manifest(folder, **facts)
    for variant, values in LORA.items():
        if variant in extras:
            lora.make(case, folder, variant, values)
    if "methods" in extras:
        methods.make(case, folder)
    if "full" in extras:
        for dtype in cases.dtypes(case):
            store.save_golden(folder / "full", dtype, full(case, folder, dtype))
        store.save_manifest(folder / "full", **facts, adamw={**FULL_STEPS, "betas": [0.9, 0.999], "eps": 1e-8, "steps": 3})


def check_with_5(case, root):
    """Loads the case with transformers 5: the logits of the real tokens are those of version 4, whose softmax scale `plain` it lacks."""
    golden = load_file(root / case / "golden_f64.safetensors")
    model = tiny.classes(case)[1].from_pretrained(root / case, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(input_ids=golden["input_ids"], attention_mask=golden["attention_mask"]).logits
    real = golden["attention_mask"] == 1
    error = float((logits - golden["logits"])[real].abs().max() / golden["logits"].abs().max())
    if (error < 1e-5) == (cases.CASES[case].get("softmax_scale") == "plain"):
        raise SystemExit(f"{case}: logits of transformers 5 differ by {error:.2e} of the largest")
    return model


def make_fused(case, root, model):
    """The layout that transformers 5 holds in memory, with its config spelling."""
    folder = root / case / "fused"
    shutil.rmtree(folder, ignore_errors=True)
    save_model(model, folder, save_original_format=False)
    store.save_manifest(folder, **cases.facts(case), dtypes=["float32"])


def chosen(names):
    return [case for case in cases.CASES if not names or case in names or cases.family_of(case) in names]


def main(root, names):
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for case in chosen(names):
        if not transformers.__version__.startswith("5."):
            make_case(case, root)
        elif cases.family_of(case) != "deepseek":
            model = check_with_5(case, root)
            if "fused" in cases.extras(case):
                make_fused(case, root, model)
        store.check_sizes(root / case)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
