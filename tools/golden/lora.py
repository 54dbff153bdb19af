"""Golden values of PEFT LoRA adapters on the per-expert model."""
import contextlib
import io
import json

import cases
import parts
import peft
import probe
import store
import tiny
import torch
from precision import running_in

HOT = ((1, 4), (0, 2, 5), (3,))  # of the first, second and third MoE layer
MAX_PARTING = 2e-5  # of the largest value, float32 from float64 after the steps
STEPS = {"lr": 1e-2, "weight_decay": 0.01}


def hot_targets(model):
    """Attention, the routers that are linear layers, the hot experts, shared experts and dense layers."""
    moe, dense = parts.ffns(model, True), parts.ffns(model, False)
    targets = parts.linears(model.model.layers[0].self_attn)
    for hot, (path, module) in zip(HOT, moe.values()):
        targets += [f"{path}.experts.{e}.{kind}" for e in hot for kind in parts.linears(module.experts[e])]
        targets += [f"{name}.{kind}" for name, child in parts.shared_experts(module) for kind in parts.linears(child)]
        targets += [f"{path.split('.')[-1]}.gate"] if isinstance(module.gate, torch.nn.Linear) else []
    for path, module in dense.values():
        targets += [f"{path}.{kind}" if moe else kind for kind in parts.linears(module)]
    return sorted(set(targets))


PATTERNS = {
    "use_rslora": True,
    "rank_pattern": {r"layers.1.self_attn.q_proj": 2, r"layers\.0\.mlp\.experts\.4\.down_proj": 6},
    "alpha_pattern": {r"layers.1.self_attn.q_proj": 3, r"layers\.0\.mlp\.experts\.4\.down_proj": 10},
}


def variant_options(variant, model):
    targets = ["embed_tokens", "lm_head"] if variant == "lora_embed" else hot_targets(model)
    return {"target_modules": targets, "r": 4, "lora_alpha": 8, **(PATTERNS if variant == "lora_patterns" else {})}


def write_adapter(case, base_folder, folder, variant, seed):
    """Saves the adapter as PEFT writes it; init_lora_weights false makes A and B random, so B is not zero."""
    options = variant_options(variant, tiny.load(case, base_folder, torch.float32))
    torch.manual_seed(seed)
    config = peft.LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, init_lora_weights=False, **options)
    model = peft.get_peft_model(tiny.load(case, base_folder, torch.float32), config)
    with contextlib.redirect_stdout(io.StringIO()):
        model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    written = json.loads(path.read_text())
    # PEFT does not need the base path, which is where this script happened to write, and keeps targets in a set without order.
    written |= {"base_model_name_or_path": None, "target_modules": sorted(written["target_modules"])}
    path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")


def attach(case, base_folder, folder, dtype):
    return peft.PeftModel.from_pretrained(tiny.load(case, base_folder, dtype), folder, is_trainable=True).to(dtype).eval()


def trainable(model):
    """LoRA tensors by the key that PEFT writes."""
    keys = {name: name.replace(".default", "") for name, tensor in model.named_parameters() if tensor.requires_grad}
    written = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
    if sorted(keys.values()) != sorted(written):
        raise AssertionError("trained tensors and written keys differ")
    return {keys[name]: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}


def golden(case, base_folder, folder, dtype, values):
    batch = tiny.batch(case)
    model = attach(case, base_folder, folder, dtype)
    named = trainable(model)
    with running_in(dtype):
        result = probe.run(model, batch)
        tensors = {"logits": result["logits"], "loss": result["loss"]}
        if "grads" in values:
            tensors |= probe.gradients(result["loss"], named, "grad")
    if "steps" in values:
        losses, after = probe.train(model, batch, named, dtype, **STEPS)
        tensors |= losses | after
    if "merged" in values:
        merged = attach(case, base_folder, folder, dtype).merge_and_unload()
        with running_in(dtype), torch.no_grad():
            tensors["merged_logits"] = merged(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return tensors


def check_conditioning(narrow, wide):
    """AdamW divides by the size of a gradient: where one is nearly zero, its rounding decides the step and precisions part."""
    for name, value in wide.items():
        if name.startswith("step3.") and (narrow[name] - value).abs().max() > MAX_PARTING * value.abs().max():
            raise SystemExit(f"{name} depends on rounding: choose another seed")


def make(case, base_folder, variant, values):
    folder, seed = base_folder / variant, cases.CASES[case]["seed"] + 2000
    write_adapter(case, base_folder, folder, variant, seed)
    made = {dtype: golden(case, base_folder, folder, dtype, values) for dtype in store.NAMES}
    check_conditioning(*made.values())
    for dtype in cases.dtypes(case):
        store.save_golden(folder, dtype, made[dtype])
    facts = {"adamw": {**STEPS, "betas": [0.9, 0.999], "eps": 1e-8, "steps": 3}} if "steps" in values else {}
    facts |= {**cases.facts(case), "seed": seed}
    store.save_manifest(folder, peft=peft.__version__, dtypes=store.names(cases.dtypes(case)), batch="../golden_*.safetensors", **facts)
