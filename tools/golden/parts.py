"""Finds the parts of a transformers model by its modules: MoE and dense layers, experts, linear layers."""
import torch


def core(model):
    """The model itself, without PEFT around it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def ffn(layer):
    """(name, module) of the layer's feed-forward half."""
    name = "block_sparse_moe" if hasattr(layer, "block_sparse_moe") else "mlp"
    return name, getattr(layer, name)


def ffns(model, moe):
    """{layer: (path, module)} of the MoE layers, or of the dense ones."""
    found = {i: ffn(layer) for i, layer in enumerate(core(model).model.layers)}
    return {i: (f"model.layers.{i}.{name}", module) for i, (name, module) in found.items() if hasattr(module, "experts") == moe}


def linears(module):
    """Names of the linear layers right inside the module."""
    return [name for name, child in module.named_children() if isinstance(child, torch.nn.Linear)]


def shared_experts(module):
    return [(name, child) for name, child in module.named_children() if name in ("shared_expert", "shared_experts")]


def stored_gradients(model, attention):
    """(parameters of the cross-entropy's gradients, of those with the balance loss): one layer of each kind, the ends of the model."""
    moe, dense = ffns(model, True), ffns(model, False)
    names = ["model.embed_tokens.weight", "model.layers.0.input_layernorm.weight", "model.norm.weight", "lm_head.weight"]
    layer = list(moe)[:2][-1] if moe else 1
    names += [f"model.layers.{layer}.self_attn.{name}" for name in attention]
    if moe:
        path, module = moe[layer]
        first, _, last = sorted(linears(module.experts[0]), key=["gate_proj", "up_proj", "down_proj", "w1", "w3", "w2"].index)
        names += [f"{path}.gate.weight", *(f"{path}.experts.{e}.{kind}.weight" for e in range(len(module.experts)) for kind in (first, last))]
        names += [f"{path}.{name}.{kind}.weight" for name, child in shared_experts(module) for kind in linears(child)]
        names += [f"{path}.shared_expert_gate.weight"] if hasattr(module, "shared_expert_gate") else []
    if dense:
        path, module = dense[layer if not moe else min(dense)]
        names += [f"{path}.{kind}.weight" for kind in linears(module)]
    known = dict(model.named_parameters())  # without lm_head where it is tied
    gates = [f"{path}.gate.weight" for path, _ in list(moe.values())[:2]]
    return {name: known[name] for name in names if name in known}, {name: known[name] for name in gates}
