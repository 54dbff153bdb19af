"""Golden values of PEFT LoRA adapters on the per-expert model."""
import contextlib
import io
import json

import peft
import probe
import store
import tiny
import torch
from precision import running_in

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
HOT = {0: (1, 4), 1: (0, 2, 5), 2: (3,)}
STEPS = {"lr": 1e-2, "weight_decay": 0.01}


def hot_paths():
    kinds = ("gate_proj", "up_proj", "down_proj")
    return [f"model.layers.{i}.mlp.experts.{e}.{kind}" for i, experts in HOT.items() for e in experts for kind in kinds]


HOT_TARGETS = [*ATTENTION, "mlp.gate", *hot_paths()]
VARIANTS = {
    "lora": {"target_modules": HOT_TARGETS, "r": 4, "lora_alpha": 8},
    "lora_patterns": {
        "target_modules": HOT_TARGETS,
        "r": 4,
        "lora_alpha": 8,
        "use_rslora": True,
        "rank_pattern": {r"layers.1.self_attn.q_proj": 2, r"layers\.0\.mlp\.experts\.4\.down_proj": 6},
        "alpha_pattern": {r"layers.1.self_attn.q_proj": 3, r"layers\.0\.mlp\.experts\.4\.down_proj": 10},
    },
    "lora_embed": {"target_modules": ["embed_tokens", "lm_head"], "r": 4, "lora_alpha": 8},
}


def write_adapter(base_folder, folder, variant, seed):
    """Saves the adapter as PEFT writes it; init_lora_weights false makes A and B random, so B is not zero."""
    torch.manual_seed(seed)
    config = peft.LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, init_lora_weights=False, **VARIANTS[variant])
    model = peft.get_peft_model(tiny.load(base_folder, torch.float32), config)
    with contextlib.redirect_stdout(io.StringIO()):
        model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    written = json.loads(path.read_text())
    # PEFT does not need the base path, which is where this script happened to write, and keeps targets in a set without order.
    written |= {"base_model_name_or_path": None, "target_modules": sorted(written["target_modules"])}
    path.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")


def attach(base_folder, folder, dtype):
    return peft.PeftModel.from_pretrained(tiny.load(base_folder, dtype), folder, is_trainable=True).to(dtype).eval()


def trainable(model):
    """LoRA tensors by the key that PEFT writes."""
    keys = {name: name.replace(".default", "") for name, tensor in model.named_parameters() if tensor.requires_grad}
    written = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
    if sorted(keys.values()) != sorted(written):
        raise AssertionError("trained tensors and written keys differ")
    return {keys[name]: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}


def golden(case, base_folder, folder, dtype, parts):
    batch = tiny.batch(case)
    model = attach(base_folder, folder, dtype)
    named = trainable(model)
    with running_in(dtype):
        result = probe.run(model, batch)
        tensors = {"logits": result["logits"], "loss": result["loss"]}
        if "grads" in parts:
            tensors |= probe.gradients(result["loss"], named, "grad")
    if "steps" in parts:
        losses, after = probe.train(model, batch, named, dtype, **STEPS)
        tensors |= losses | after
    if "merged" in parts:
        merged = attach(base_folder, folder, dtype).merge_and_unload()
        with running_in(dtype), torch.no_grad():
            tensors["merged_logits"] = merged(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return tensors


def make(case, base_folder, variant, parts):
    folder, seed = base_folder / variant, tiny.CASES[case]["seed"] + 2000
    write_adapter(base_folder, folder, variant, seed)
    for dtype in store.NAMES:
        store.save_golden(folder, dtype, golden(case, base_folder, folder, dtype, parts))
    facts = {"adamw": {**STEPS, "betas": [0.9, 0.999], "eps": 1e-8, "steps": 3}} if "steps" in parts else {}
    store.save_manifest(folder, case=case, seed=seed, peft=peft.__version__, dtypes=["float32", "float64"], batch="../golden_*.safetensors", **facts)
