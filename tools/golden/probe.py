"""Forward values, losses and gradients of one model on one batch."""
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


def run(model, batch):
    """One forward with gradients on: {logits, gates: per layer, hidden: by name, loss, aux}."""
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden, hooks = {}, []

    def keep(name):
        return lambda _, __, out: hidden.__setitem__(name, (out[0] if isinstance(out, tuple) else out).detach().clone())

    for name, module in [("embed", core.model.embed_tokens), ("final", core.model.norm), *enumerate(core.model.layers)]:
        hooks.append(module.register_forward_hook(keep(f"hidden.{name}")))
    out = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], output_router_logits=True)
    for hook in hooks:
        hook.remove()
    k = core.config.num_experts_per_tok
    check_margins(out.router_logits, batch["attention_mask"], k)
    aux = balance_loss(out.router_logits, batch["attention_mask"], k)
    torch.testing.assert_close(aux, out.aux_loss, rtol=1e-5, atol=0)
    loss = cross_entropy(out.logits, batch["labels"])
    return {"logits": out.logits, "gates": out.router_logits, "hidden": hidden, "loss": loss, "aux": aux}


def check_margins(gates, mask, k):
    for layer, logits in enumerate(gates):
        p = logits.detach()[mask.flatten() == 1].softmax(-1).sort(-1, descending=True).values
        gaps = p[:, :k] - p[:, 1 : k + 1]
        if gaps.min() < MIN_MARGIN:
            raise SystemExit(f"router margin {gaps.min():.2e} in layer {layer}: choose another seed")


def forward_tensors(model, result, batch):
    rows, length = batch["input_ids"].shape
    options = model.config
    tensors = {"logits": result["logits"], "loss": result["loss"], "aux": result["aux"], **result["hidden"]}
    for layer, logits in enumerate(result["gates"]):
        weights, indices = logits.softmax(-1).topk(options.num_experts_per_tok, -1)
        if options.norm_topk_prob:
            weights = weights / weights.sum(-1, keepdim=True)
        for name, value in (("logits", logits), ("indices", indices), ("weights", weights)):
            tensors[f"router.{layer}.{name}"] = value.view(rows, length, -1)
    return tensors


def gradients(loss, named, prefix):
    """Gradient tensors by name; every named tensor must take part in the loss."""
    grads = torch.autograd.grad(loss, list(named.values()), retain_graph=True)
    for name, grad in zip(named, grads):
        if not grad.any():
            raise SystemExit(f"{name} has a zero gradient: choose another seed")
    return {f"{prefix}.{name}": grad for name, grad in zip(named, grads)}


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
                optimizer.step()
    return losses, {f"step3.{name}": tensor.detach().clone() for name, tensor in named.items()}
