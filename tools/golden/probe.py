"""Forward values, losses and gradients of one model on one batch."""
import parts
import torch
import torch.nn.functional as F
from precision import running_in

MIN_MARGIN = 1e-4  # of the router probabilities around the top-k border: rounding may not change the choice


def cross_entropy(logits, labels):
    """Mean over supervised positions, labels shifted by one."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)


def balance_loss(gate_logits, mask, k):
    """E * sum_j sum_e f[j,e] P[e] over the real tokens of all layers pooled; `gate_logits` holds (tokens, E) per layer."""
    rows = torch.cat([logits[mask.flatten() == 1] for logits in gate_logits])
    p = rows.softmax(-1)
    chosen = F.one_hot(p.topk(k, -1).indices, p.shape[-1]).to(p.dtype)
    return p.shape[-1] * (chosen.mean(0) * p.mean(0)).sum()


def deepseek_balance_loss(gate_logits, mask, config):
    """DeepSeek's: alpha * mean over rows of sum_e count[e] E / (S k) * mean p[e], over a row's S real tokens, summed over the layers."""
    total = 0
    for logits in gate_logits:
        _, chosen, p = route(logits, config)
        for real, ids, scores in zip(mask == 1, chosen.view(*mask.shape, -1), p.view(*mask.shape, -1)):
            share = F.one_hot(ids[real], scores.shape[-1]).sum(1).to(scores.dtype).mean(0) * scores.shape[-1] / ids.shape[-1]
            total = total + config.aux_loss_alpha * (share * scores[real].mean(0)).sum() / len(mask)
    return total


def route(logits, config):
    """(weights, indices, p): the weights as multiplied, falling; p as the choice sees it, zero outside the chosen groups."""
    p = seen = logits.softmax(-1)
    if getattr(config, "topk_method", "greedy") == "group_limited_greedy":
        groups = p.view(len(p), config.n_group, -1)
        kept = F.one_hot(groups.amax(-1).topk(config.topk_group, -1).indices, config.n_group).sum(1)
        seen = (groups * kept[..., None]).view_as(p)
    weights, indices = seen.topk(config.num_experts_per_tok, -1)
    if config.model_type == "mixtral" or config.norm_topk_prob:
        weights = weights / weights.sum(-1, keepdim=True)
    return weights * getattr(config, "routed_scaling_factor", 1.0), indices, p


def gate_logits(gate, args, out, config):
    """The logits of a gate's call; DeepSeek's gate yields its choice only, which then has to be that of `route`."""
    if not isinstance(out, tuple):
        return out
    logits = F.linear(args[0].flatten(0, -2), gate.weight)
    weights, indices, _ = route(logits, config)
    order = out[1].argsort(-1, descending=True)
    assert torch.equal(out[0].gather(-1, order), indices)
    torch.testing.assert_close(out[1].gather(-1, order), weights, rtol=1e-6, atol=0)
    return logits


def run(model, batch):
    """One forward with gradients on: {logits, gates: by layer, hidden: by name, loss, aux: where the family has one}."""
    core = parts.core(model)
    hidden, gates, hooks = {}, {}, []

    def keep(name):
        return lambda _, __, out: hidden.__setitem__(name, (out[0] if isinstance(out, tuple) else out).detach().clone())

    def keep_gate(layer):
        return lambda gate, args, out: gates.__setitem__(layer, gate_logits(gate, args, out, core.config))

    for name, module in [("embed", core.model.embed_tokens), ("final", core.model.norm), *enumerate(core.model.layers)]:
        hooks.append(module.register_forward_hook(keep(f"hidden.{name}")))
    for layer, (_, module) in parts.ffns(model, True).items():
        hooks.append(module.gate.register_forward_hook(keep_gate(layer)))
    has_aux = hasattr(core.config, "router_aux_loss_coef")
    options = {"output_router_logits": True} if has_aux else {}
    out = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], **options)
    for hook in hooks:
        hook.remove()
    check_margins(gates, batch["attention_mask"], core.config)
    result = {"logits": out.logits, "gates": gates, "hidden": hidden, "loss": cross_entropy(out.logits, batch["labels"])}
    if has_aux:
        result["aux"] = balance_loss(list(gates.values()), batch["attention_mask"], core.config.num_experts_per_tok)
        torch.testing.assert_close(result["aux"], out.aux_loss, rtol=1e-5, atol=0)
    return result


def check_margins(gates, mask, config):
    for layer, logits in gates.items():
        real = logits.detach()[mask.flatten() == 1]
        _, indices, p = route(real, config)
        k, chosen = config.num_experts_per_tok, p.gather(-1, indices)
        if getattr(config, "topk_method", "greedy") == "group_limited_greedy":
            groups = p.view(len(p), config.n_group, -1).amax(-1).sort(-1, descending=True).values
            need(groups[:, config.topk_group - 1] - groups[:, config.topk_group], layer)
            kept = p.view(len(p), config.n_group, -1).amax(-1) >= groups[:, config.topk_group - 1, None]
            p = (p.view(len(p), config.n_group, -1) * kept[..., None]).view_as(p)
            if torch.equal(indices, real.topk(k, -1).indices):
                raise SystemExit(f"groups change no choice in layer {layer}: choose another seed")
        border = p.sort(-1, descending=True).values[:, k : k + 1]
        need(chosen - torch.cat([chosen[:, 1:], border], -1), layer)


def need(gaps, layer):
    if gaps.min() < MIN_MARGIN:
        raise SystemExit(f"router margin {gaps.min():.2e} in layer {layer}: choose another seed")


def forward_tensors(model, result, batch):
    tensors = {name: result[name] for name in ("logits", "loss", "aux") if name in result} | result["hidden"]
    for layer, logits in result["gates"].items():
        weights, indices, _ = route(logits, model.config)
        for name, value in (("logits", logits), ("indices", indices), ("weights", weights)):
            tensors[f"router.{layer}.{name}"] = value.view(*batch["input_ids"].shape, -1)
    return tensors


def gradients(loss, named, prefix):
    """Gradient tensors by name; every named tensor must take part in the loss."""
    grads = torch.autograd.grad(loss, list(named.values()), retain_graph=True, allow_unused=True)
    for name, grad in zip(named, grads):
        if grad is None or not grad.any():
            raise SystemExit(f"{name} has a zero gradient: choose another seed")
    return {f"{prefix}.{name}": grad for name, grad in zip(named, grads)}


def need_gradients(named, step):
    """AdamW leaves a tensor without gradient out of a step, weight decay and all: such a step would compare that habit."""
    for name, tensor in named.items():
        if tensor.grad is None:
            raise SystemExit(f"{name} has no gradient in step {step}: choose another seed")


def train(model, batch, named, dtype, **adamw):
    """Three AdamW steps on the batch: (losses before each step and after the last, tensors after the last)."""
    optimizer = torch.optim.AdamW(list(named.values()), betas=(0.9, 0.999), eps=1e-8, foreach=False, **adamw)
    losses = {}
    for step in range(4):
        with running_in(dtype):
            loss = run(model, batch)["loss"]
            losses[f"loss.step{step}"] = loss.detach().clone()
            if step < 3:
                optimizer.zero_grad()
                loss.backward()
                need_gradients(named, step)
                optimizer.step()
    return losses, {f"step3.{name}": tensor.detach().clone() for name, tensor in named.items()}
