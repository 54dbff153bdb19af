#!/usr/bin/env python3
"""What each adapter method costs: `hellora bench step` of every method at OLMoE's widths, in turn with lora, and the memory that it took
against the forecast.

    bench/method_costs.py [--program FILE] [--layers 2] [--tokens 2048] [--steps 2] [--rounds 2] [--dropout X] [METHOD…]

Two methods stand between two runs of lora; a ratio is taken with the mean of these, within a round, since the machine may be faster or
slower in the next one. Printed are its median and range over the rounds, and the largest peak of memory by forecast.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys


def run(options, *arguments):
    command = [options.program, *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"method_costs: {' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def step(options, method):
    # Routing is the same everywhere: the eight adapted experts take 53 % of the slots.
    seen = run(options, "bench", "step", "--layers", str(options.layers), "--tokens", str(options.tokens), "--steps", str(options.steps),
               "--dropout", str(options.dropout), "--method", method)
    return seen["seconds"]["step"], seen["peak_rss_bytes"] / seen["forecast_rss_bytes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.environ.get("HELLORA") or "build/release/bin/hellora")
    for name, default in (("layers", 2), ("tokens", 2048), ("steps", 2), ("rounds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dropout", type=float, default=0)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="default: all that make an adapter of the training rows alone")
    options = parser.parse_args()
    methods = options.methods or [row["method"] for row in run(options, "methods")["rows"]
                                  if row["result"] == "adapter" and row["method"] not in ("lora", "gs_lora", "gs_lora_pp")]
    ratios, memory = {m: [] for m in methods}, {m: 0.0 for m in ["lora", *methods]}
    for _ in range(options.rounds):
        before, memory["lora"] = step(options, "lora")
        for at in range(0, len(methods), 2):
            seen = {method: step(options, method) for method in methods[at:at + 2]}
            after = step(options, "lora")[0]
            for method, (seconds, share) in seen.items():
                ratios[method].append(2 * seconds / (before + after))
                memory[method] = max(memory[method], share)
            before = after
    print(f"{'method':<12} {'step':>6}  {'range':<16} memory by forecast")
    print(f"{'lora':<12} {1:6.3f}  {'':<16} {memory['lora']:.3f}")
    for method in methods:
        seen = ratios[method]
        span = f"({min(seen):.3f} to {max(seen):.3f})"
        print(f"{method:<12} {statistics.median(seen):6.3f}  {span:<16} {memory[method]:.3f}")


if __name__ == "__main__":
    main()
