#!/usr/bin/env python3
"""Training steps of one method with transformers and PEFT: OLMoE's widths, random weights, CPU. One JSON line on standard output.

    .venv-interop-v5/bin/python bench/peers/peft_step.py --method hot_loop --layers 1 --tokens 64

Every method has LoRA on q, k, v, o and the router. A step is forward, backward and AdamW. `bench/peers/run.py` starts this beside hellora.
Shapes in names: T tokens, S = T * K routed slots, D model width, F expert width, E experts, K slots of a token, H hot experts, R rank.
"""
import json
import math
import pathlib
import statistics
import sys
import time

import peft
import torch
import torch.nn.functional as F
import transformers
from torch import nn
from transformers.initialization import no_init_weights
from transformers.models.olmoe.modeling_olmoe import OlmoeMLP, OlmoeTopKRouter

from options import EXPERTS, METHODS, Parser, add_sizes, parse, whole

DEVIATION = 0.02
RESIDUAL = 8  # what the layers add must not drown the constant feature that steers the router
SCALE = 2  # alpha / rank
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
ROUTER = "mlp.gate.weight"  # a parameter of its own kind of module: PEFT reaches it as a target parameter
PROJECTIONS = ["gate_proj", "up_proj", "down_proj"]


class HotLoop(nn.Module):
    """A layer's experts, one after the other over their own rows, read from the fused frozen tensors; the first `hot` have LoRA.

    In bf16 on a CPU index_select and index_add gather and scatter rows fastest (indexing with [] took 5 times as long with its backward),
    and the fp32 factors rounded to bf16 multiply twice as fast as the rows widened to fp32.
    """

    def __init__(self, fused, hot, rank):
        super().__init__()
        self.gate_up_E2FD, self.down_EDF = fused.gate_up_proj, fused.down_proj
        experts, width, inner = self.down_EDF.shape
        self.hot, self.rank, self.inner, self.experts = hot, rank, inner, experts
        self.down_in_HRF = nn.Parameter(torch.randn(hot, rank, inner) * DEVIATION)
        self.gate_up_in_H2RD = nn.Parameter(torch.randn(hot, 2 * rank, width) * DEVIATION)  # one product for both
        self.gate_out_HFR, self.up_out_HFR = (nn.Parameter(torch.zeros(hot, inner, rank)) for _ in range(2))
        self.down_out_HDR = nn.Parameter(torch.zeros(hot, width, rank))

    def forward(self, x_TD, ids_TK, weights_TK):
        ids_S, order_S = ids_TK.flatten().sort()
        tokens_S = order_S // ids_TK.shape[1]
        counts = torch.bincount(ids_S, minlength=self.experts).tolist()
        x_experts = x_TD.index_select(0, tokens_S).split(counts)
        weights_experts = weights_TK.reshape(-1, 1).index_select(0, order_S).split(counts)
        names = ("gate_up_in_H2RD", "gate_out_HFR", "up_out_HFR", "down_in_HRF", "down_out_HDR")
        factors = list(zip(*(getattr(self, name).to(x_TD.dtype).unbind(0) for name in names)))
        y_experts = [self.expert(e, x_experts[e], weights_experts[e], factors[e] if e < self.hot else None) for e in range(self.experts) if counts[e]]
        return torch.zeros_like(x_TD).index_add(0, tokens_S, torch.cat(y_experts))

    def expert(self, e, x, weights, factors):
        gate, up = F.linear(x, self.gate_up_E2FD[e]).split(self.inner, 1)
        if factors:
            gate_up_in, gate_out, up_out, down_in, down_out = factors
            low_gate, low_up = F.linear(x, gate_up_in).split(self.rank, 1)
            gate = torch.addmm(gate, low_gate, gate_out.T, alpha=SCALE)
            up = torch.addmm(up, low_up, up_out.T, alpha=SCALE)
        inner = F.silu(gate) * up * weights  # before the down projection, where a row is half as long
        y = F.linear(inner, self.down_EDF[e])
        return torch.addmm(y, F.linear(inner, down_in), down_out.T, alpha=SCALE) if factors else y


class ModuleExperts(nn.ModuleList):
    """A layer's experts as transformers 4 has them, linear modules of their own: the only layout in which PEFT can choose among them."""

    def __init__(self, config):
        super().__init__(OlmoeMLP(config) for _ in range(EXPERTS))

    def forward(self, x_TD, ids_TK, weights_TK):
        y_TD = torch.zeros_like(x_TD)
        chosen_EKT = F.one_hot(ids_TK, EXPERTS).permute(2, 1, 0)
        for expert, chosen_KT in zip(self, chosen_EKT):
            slots, tokens = torch.where(chosen_KT)
            if len(tokens):
                y = expert(x_TD[tokens]) * weights_TK[tokens, slots, None]
                y_TD.index_add_(0, tokens, y.to(y_TD.dtype))
        return y_TD


class HotShare:
    """The share of the routed slots that the first `hot` experts take, over all routers and steps."""

    def __init__(self, model, hot):
        self.hot, self.inside, self.all = hot, 0, 0
        for module in model.modules():
            if isinstance(module, OlmoeTopKRouter):
                module.register_forward_hook(self.count)

    def count(self, _module, _inputs, outputs):
        ids_TK = outputs[2]
        self.inside += int((ids_TK < self.hot).sum())
        self.all += ids_TK.numel()

    def value(self):
        return self.inside / self.all


def bonus_for(hot, wanted, noise, slots):
    """What to add to the logits of the hot experts, normal with deviation `noise`, so that they take the share `wanted` of the slots."""
    if not wanted or hot in (0, EXPERTS):
        return 0.0
    logits_NE = torch.randn(4000, EXPERTS) * noise
    low, high = 0.0, 10.0
    for _ in range(20):
        middle = (low + high) / 2
        raised_NE = torch.cat([logits_NE[:, :hot] + middle, logits_NE[:, hot:]], 1)
        taken = (raised_NE.topk(slots).indices < hot).float().mean().item()
        low, high = (middle, high) if taken < wanted else (low, middle)
    return low


def fill(model, hot, wanted):
    """Random weights; feature 0 of the residual stream is a constant (sqrt(D / 2) after a norm) by which the router prefers the hot experts."""
    config = model.config
    dtype = model.dtype
    # One block, repeated: no multiple of a matrix, so that no two experts are the same.
    block = (torch.randn(5_000_011) * DEVIATION).to(dtype)
    constant = math.sqrt(config.hidden_size / 2)
    bonus = bonus_for(hot, wanted, DEVIATION * constant, config.num_experts_per_tok)
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            parameter.fill_(1)
            continue
        for part in parameter.view(-1).split(len(block)):
            part.copy_(block[: len(part)])
        block = block.roll(100_003)
        if name.endswith("embed_tokens.weight"):
            parameter.mul_(RESIDUAL / DEVIATION)
            parameter[:, 0] = RESIDUAL * math.sqrt(config.hidden_size)
        elif name.endswith(ROUTER):
            parameter[:, 0] = 0
            parameter[:hot, 0] = bonus / constant


def base_model(options):
    config = transformers.OlmoeConfig(
        vocab_size=50304, hidden_size=2048, intermediate_size=1024, num_hidden_layers=options.layers, num_attention_heads=16, num_key_value_heads=16,
        num_experts=EXPERTS, num_experts_per_tok=8, max_position_embeddings=4096, tie_word_embeddings=False, use_cache=False)
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[options.dtype]
    with no_init_weights():
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa", experts_implementation=options.experts)
        if options.method.endswith("_modules"):
            for layer in model.model.layers:
                layer.mlp.experts = ModuleExperts(config).to(dtype)
            # PEFT turns the names of an olmoe's expert modules into those of the fused tensors, which this layout does not have.
            config.model_type = "olmoe_with_expert_modules"
    with torch.no_grad():
        fill(model, options.hot, options.hot_share)
    return model


def adapted(model, options):
    """The model with everything frozen but its adapters, which PEFT keeps in fp32."""
    targets = {
        "hot_loop": [], "attention": [],
        "hot_modules": [f"experts.{e}.{projection}" for e in range(options.hot) for projection in PROJECTIONS],
        "all_modules": PROJECTIONS,
        # PEFT turns these into the fused tensors, gate and up together with twice the rank; its warning that it ignored that is untrue.
        "all_fused": PROJECTIONS,
    }[options.method]
    model = peft.get_peft_model(model, peft.LoraConfig(
        r=options.rank, lora_alpha=SCALE * options.rank, lora_dropout=0.0, task_type="CAUSAL_LM", target_modules=ATTENTION + targets,
        target_parameters=[ROUTER]))
    if options.method == "hot_loop":
        for layer in model.get_base_model().model.layers:
            layer.mlp.experts = HotLoop(layer.mlp.experts, options.hot, options.rank)
    return model.train()


def time_steps(model, options):
    """Seconds (forward, backward, optimizer) of every timed step, and the last loss."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
    generator = torch.Generator().manual_seed(1)  # the same ids for every method
    times = []
    for _ in range(options.steps + 1):
        ids = torch.randint(model.config.vocab_size, (options.tokens // options.seq_len, options.seq_len), generator=generator)
        clock = [time.perf_counter()]
        loss = model(input_ids=ids, labels=ids).loss
        clock.append(time.perf_counter())
        loss.backward()
        clock.append(time.perf_counter())
        optimizer.step()
        optimizer.zero_grad()
        clock.append(time.perf_counter())
        times.append([after - before for before, after in zip(clock, clock[1:])])
    return times[1:], loss.item()  # the first step pages in


def peak_resident_bytes():
    """Of this program alone, as hellora measures it: ru_maxrss also knows what the parent had when it started us."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def main():
    parser = Parser(prog="peft_step", description=__doc__.split("\n")[0])
    parser.add_argument("--method", choices=METHODS, required=True, help="; ".join(f"{name}: {what}" for name, what in METHODS.items()))
    add_sizes(parser)
    parser.add_argument("--threads", type=whole(0, 4096), default=0, help="0: all cores")
    options = parse(parser)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = adapted(base_model(options), options)
    share = HotShare(model, options.hot)
    times, loss = time_steps(model, options)
    if not math.isfinite(loss):
        sys.exit(f"peft_step: {options.method}: the loss is {loss}")
    steps = [sum(phases) for phases in times]
    forward, backward, optimizer = (statistics.mean(column) for column in zip(*times))
    print(json.dumps({
        "method": options.method, "dtype": options.dtype, "experts": options.experts, "layers": options.layers, "tokens": options.tokens,
        "seq_len": options.seq_len, "rank": options.rank, "hot": options.hot, "hot_share": share.value(), "threads": torch.get_num_threads(),
        "tokens_per_second": {"mean": options.tokens / statistics.mean(steps), "median": options.tokens / statistics.median(steps),
                              "best": options.tokens / min(steps)},
        "seconds": {"step": statistics.mean(steps), "forward": forward, "backward": backward, "optimizer": optimizer},
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad), "loss": loss, "peak_rss_bytes": peak_resident_bytes(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}}))


if __name__ == "__main__":
    main()
