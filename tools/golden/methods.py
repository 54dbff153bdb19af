"""Golden values of PEFT's other adapter methods: one float64 file per method, a few tensors whole and sums of the rest."""
import contextlib
import warnings

import cases
import peft
import probe
import store
import tiny
import torch
from peft.optimizers.lorafa import LoraFAOptimizer
from precision import running_in
from safetensors.torch import save_file

MAX_BYTES = 60_000
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PREFIX = "base_model.model."
RANK, PISSA_RANK, ALPHA = 3, 2, 5  # PiSSA stores where it starts, too
ADAMW = {"lr": 1e-2, "weight_decay": 0.01, "betas": (0.9, 0.999), "eps": 1e-8}
ADALORA = {"target_r": 1, "tinit": 1, "tfinal": 2, "total_step": 7, "deltaT": 1, "beta1": 0.85, "beta2": 0.85, "orth_reg_weight": 0.5}
LOGIT_ROWS = ((0, 0), (0, 5), (0, 10), (1, 6))  # (row, position), all of real tokens
# Modules whose gradients and trained tensors are stored whole: one of each shape. MERGED: those whose merged weight is looked at.
SHOWN = ("layers.0.self_attn.q_proj", "layers.1.self_attn.k_proj", "layers.1.mlp.gate_proj", "layers.2.mlp.down_proj")
MERGED = ("layers.0.self_attn.q_proj", "layers.1.mlp.gate_proj", "layers.2.mlp.down_proj")
MERGED_ROWS = 4


def lora(r=RANK, **options):
    return lambda: peft.LoraConfig(task_type="CAUSAL_LM", target_modules=TARGETS, r=r, lora_alpha=ALPHA, **options)


CONFIGS = {
    "rslora": lora(use_rslora=True),
    "dora": lora(use_dora=True),
    "pissa": lora(PISSA_RANK, init_lora_weights="pissa"),
    "lora_fa": lora(),
    "vera": lambda: peft.VeraConfig(task_type="CAUSAL_LM", target_modules=TARGETS, r=RANK),
    "randlora": lambda: peft.RandLoraConfig(task_type="CAUSAL_LM", target_modules=TARGETS, r=RANK, randlora_alpha=ALPHA),
    "adalora": lambda: peft.AdaLoraConfig(task_type="CAUSAL_LM", target_modules=TARGETS, init_r=RANK, lora_alpha=ALPHA, **ADALORA),
}
BANKS = {"vera": ("vera_A", "vera_B"), "randlora": ("randlora_A", "randlora_B")}


def rounded(tensor):
    """To bfloat16 and back, so that the file can hold it in two bytes."""
    return tensor.to(torch.bfloat16).to(torch.float64)


def attach(method, case, base_folder):
    """The model with its adapter, in float64. PiSSA's singular values are computed in float64 too, where PEFT asks for float32."""
    base = tiny.load(case, base_folder, torch.float64)
    with running_in(torch.float64) if method == "pissa" else contextlib.nullcontext():
        model = peft.get_peft_model(base, CONFIGS[method]())
    return model.to(torch.float64).eval()


def saved_names(model, method):
    """{parameter: the name that PEFT writes it by, without the prefix}"""
    written = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
    found = {}
    for name, parameter in model.named_parameters():
        if "default" not in name or "ranknum" in name:
            continue
        key = next(k for k in (name.replace(".default", ""), name.replace(".default.weight", "")) if k in written)
        assert torch.equal(written[key], parameter)
        found[name] = key.removeprefix(PREFIX)
    rest = written.keys() - {PREFIX + key for key in found.values()}
    assert {key.rsplit(".", 1)[-1] for key in rest} == set(BANKS.get(method, ())), rest  # RandLoRA's once more for every module
    return found


def randomise(method, named, seed):
    """Values of a size that PEFT's own would have after some training. PiSSA's stay near the singular vectors that they start from."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in named.items():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            if method == "pissa":
                parameter.copy_(rounded(parameter + 0.1 * noise))
            elif name.endswith("lora_magnitude_vector"):
                parameter.copy_(rounded(parameter * (1 + 0.2 * noise)))
            elif "gamma" in name:
                parameter.copy_(rounded(parameter * (1 + 0.5 * noise)))
            else:
                parameter.copy_(rounded((0.05 if "randlora" in name else 0.3) * noise))


def sums(named):
    """(tensors, 3) in the order of the names: the sum, the sum of sizes, the sum weighted by cos(i + 1/2) of each flat tensor."""
    rows = []
    for _, tensor in sorted(named.items()):
        flat = tensor.detach().double().flatten()
        weights = (torch.arange(flat.numel(), dtype=torch.float64) + 0.5).cos()
        rows.append(torch.stack([flat.sum(), flat.abs().sum(), (flat * weights).sum()]))
    return torch.stack(rows)


def kept(named, prefix):
    tensors = {f"{prefix}.{name}": value.detach().clone() for name, value in named.items() if any(one + "." in name for one in SHOWN)}
    return tensors | {f"sums.{prefix}": sums(named)}


def loss_of(model, batch):
    """PEFT's own loss: the model's, with AdaLoRA's regulariser."""
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
    return model(**inputs).loss


def gradients(model, batch, named):
    model.zero_grad(set_to_none=True)
    with running_in(torch.float64):
        loss_of(model, batch).backward()
    for name, parameter in named.items():
        if parameter.grad is None or not parameter.grad.any():
            raise SystemExit(f"{name} has a zero gradient: choose another seed")
    return {name: parameter.grad for name, parameter in named.items()}


def values(model, batch, named):
    """Logits, loss, gradients; `extra` is what the method adds to the loss."""
    with running_in(torch.float64):
        result = probe.run(model, batch)
        extra = loss_of(model, batch) - result["loss"]
    logits = result["logits"].detach()
    tensors = {"loss": result["loss"].detach(), "extra": extra.detach(), "logits": torch.stack([logits[at] for at in LOGIT_ROWS])}
    real = torch.cat([logits[row, :length] for row, length in enumerate(tiny.LENGTHS)])
    tensors |= {"logit_places": torch.tensor(LOGIT_ROWS), "sums.logits": sums({"logits": real})}
    return tensors | kept(gradients(model, batch, named), "grad")


def merged(model):
    """The first rows of three merged weights, and the sums of them whole."""
    tensors = {}
    for path in MERGED:
        module = model.get_submodule(f"{PREFIX}model.{path}")
        weight = module.get_base_layer().weight.detach().clone()
        with running_in(torch.float64):
            module.merge()
            after = module.get_base_layer().weight.detach().clone()
            module.unmerge()
        assert (module.get_base_layer().weight - weight).abs().max() < 1e-14
        module.get_base_layer().weight.data.copy_(weight)
        tensors |= {f"merged.model.{path}": after[:MERGED_ROWS], f"sums.merged.model.{path}": sums({"w": after})}
    return tensors


class Steps:
    """AdamW steps of torch on the gradients of PEFT; what a method adds goes into the two hooks."""

    def __init__(self, model, batch, named):
        self.model, self.batch, self.named = model, batch, named
        self.start = {name: value.detach().clone() for name, value in named.items()}
        self.optimizer = torch.optim.AdamW(list(named.values()), foreach=False, **ADAMW)

    def run(self, steps, after_backward=lambda: None, after_step=lambda step: None):
        for step in range(steps):
            gradients(self.model, self.batch, self.named)
            with running_in(torch.float64):
                after_backward()
                self.optimizer.step()
                after_step(step)

    def undo(self):
        with torch.no_grad():
            for name, value in self.named.items():
                value.copy_(self.start[name])


def preconditioned(model):
    """Replaces the gradient of each B by that of PEFT's LoRA-FA optimizer, read from the moments of one step without a rate."""
    optimizer = peft.optimizers.create_lorafa_optimizer(model, r=RANK, lora_alpha=ALPHA, lr=0.0)
    assert isinstance(optimizer, LoraFAOptimizer)
    optimizer.step()
    group = optimizer.param_groups[0]
    for name, parameter in zip(group["names"], group["params"]):
        if "lora_B" in name:
            parameter.grad = optimizer.state[name[: name.find("lora")] + "lora"]["exp_avg_B"] / (1 - group["betas"][0])


def lora_fa_steps(model, batch, named):
    plain = Steps(model, batch, named)
    plain.run(3)
    tensors = kept(named, "step3")
    plain.undo()
    gradients(model, batch, named)
    with running_in(torch.float64):
        preconditioned(model)
    tensors |= kept({name: value.grad for name, value in named.items()}, "precondition.grad")
    with_it = Steps(model, batch, named)
    with_it.run(3, after_backward=lambda: preconditioned(model))
    tensors |= kept(named, "precondition.step3")
    with_it.undo()
    return tensors


def other_final_mask(allocator, model, budget):
    """The scores' mask if importance were taken in the step of the final choice too: a fixture that cannot tell is worth less."""
    state = [dict(one) for one in (allocator.ipt, allocator.exp_avg_ipt, allocator.exp_avg_unc)]
    values = {name: value.detach().clone() for name, value in model.named_parameters() if "lora_E" in name}
    allocator.update_ipt(model)
    pattern = allocator.mask_to_budget(model, budget)
    allocator.ipt, allocator.exp_avg_ipt, allocator.exp_avg_unc = state
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name in values:
                value.copy_(values[name])
    return pattern


def adalora_steps(model, batch, named, names):
    """All steps of PEFT's schedule, t = 1 … total_step; importance and masks after each, importance as the choice saw it."""
    tuner, tensors = model.base_model, {}
    allocator, final = tuner.rankallocator, ADALORA["total_step"] - ADALORA["tfinal"]
    short = {name.removeprefix(PREFIX): key for name, key in names.items()}  # the allocator's names start inside

    def importance(t):
        for kind, state in (("importance", allocator.exp_avg_ipt), ("uncertainty", allocator.exp_avg_unc)):
            tensors[f"sums.{kind}{t}"] = sums({short[name]: value for name, value in state.items()})

    def after_step(step):
        t = step + 1
        if t == final:
            other = other_final_mask(allocator, tuner.model, allocator.target_bgt)
        tuner.update_and_allocate(t)
        if t < final:
            importance(t)
        if t == final and other == tuner.peft_config["default"].rank_pattern:
            raise SystemExit("the final mask does not depend on when importance is taken: choose another seed")
        kept_ranks = [value.detach().flatten() != 0 for name, value in sorted(named.items()) if name.endswith("lora_E")]
        tensors[f"mask{t}"] = torch.stack(kept_ranks).to(torch.uint8)
        if t == 3:
            tensors["sums.step3"] = sums(named)

    steps = Steps(model, batch, named)
    steps.run(ADALORA["total_step"], after_step=after_step)
    tensors |= kept(named, f"step{ADALORA['total_step']}")
    steps.undo()
    return tensors


def golden(method, case, base_folder):
    batch, seed = tiny.batch(case), cases.CASES[case]["seed"]
    torch.manual_seed(seed + 2000)
    model = attach(method, case, base_folder)
    parameters = dict(model.named_parameters())
    names = saved_names(model, method)
    named = {key: parameters[name] for name, key in names.items()}
    tensors = {f"start.{key}": value.detach().clone() for key, value in named.items()} if method == "pissa" else {}
    randomise(method, named, seed + 3000)
    for name in BANKS.get(method, ()):
        bank = getattr(model.base_model, name)["default"]
        bank.copy_(rounded(bank))
        tensors[f"param.{name}"] = bank.to(torch.bfloat16)
    tensors |= {f"param.{key}": value.detach().to(torch.bfloat16) for key, value in named.items()}
    if method == "lora_fa":
        peft.optimizers.create_lorafa_optimizer(model, r=RANK, lora_alpha=ALPHA, lr=0.0)  # freezes A
    trained = {key: value for key, value in named.items() if value.requires_grad}
    tensors |= values(model, batch, trained) | merged(model)
    if method == "lora_fa":
        return tensors | lora_fa_steps(model, batch, trained)
    if method == "adalora":
        return tensors | adalora_steps(model, batch, trained, names)
    Steps(model, batch, trained).run(3)
    return tensors | kept(trained, "step3")


def make(case, base_folder):
    folder = base_folder / "methods"
    folder.mkdir()
    warnings.filterwarnings("ignore", message=".*tie_word_embeddings.*")
    for method in CONFIGS:
        path = folder / f"{method}.safetensors"
        save_file({name: value.contiguous().clone() for name, value in golden(method, case, base_folder).items()}, path)
        if path.stat().st_size > MAX_BYTES:
            raise SystemExit(f"{path}: {path.stat().st_size} bytes, at most {MAX_BYTES} wanted")
    facts = {"rank": {method: PISSA_RANK if method == "pissa" else RANK for method in CONFIGS}, "alpha": ALPHA, "adalora": ADALORA}
    facts |= {"adamw": {**ADAMW, "steps": 3}, **cases.facts(case)}
    store.save_manifest(folder, peft=peft.__version__, batch="../golden_f64.safetensors", **facts)
