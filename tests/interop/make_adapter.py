#!/usr/bin/env python3
"""A plain PEFT adapter with random A and B on attention, the router and some experts, written by PEFT itself.

    make_adapter.py --model DIR --out DIR --seed S     (transformers 4: one module per expert)
"""
import argparse

import peft
import torch
import transformers


def chosen_experts(model, seed):
    """Two experts in even layers, one in odd ones: paths of their three projections."""
    generator = torch.Generator().manual_seed(seed)
    paths = []
    for i, layer in enumerate(model.model.layers):
        order = torch.randperm(len(layer.mlp.experts), generator=generator).tolist()
        for expert in sorted(order[: 2 - i % 2]):
            paths += [f"model.layers.{i}.mlp.experts.{expert}.{kind}_proj" for kind in ("gate", "up", "down")]
    return paths


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    model = transformers.AutoModelForCausalLM.from_pretrained(arguments.model, attn_implementation="eager", dtype=torch.float32)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "mlp.gate", *chosen_experts(model, arguments.seed)]
    torch.manual_seed(arguments.seed)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, lora_dropout=0.0, init_lora_weights=False, target_modules=targets)
    peft.get_peft_model(model, config).save_pretrained(arguments.out)


if __name__ == "__main__":
    main()
