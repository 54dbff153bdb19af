#!/usr/bin/env python3
"""What a training step pays for: pairs of `hellora bench step` runs, in turn, and the ratio of their step times.

    bench/step_costs.py [--program FILE] [--layers 2] [--tokens 2048] [--steps 3] [--rounds 3] [PAIR…]

A pair's ratio is taken within each round (the machine may be faster or slower in the next one); printed are its median and range.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

# Name: (settings, the settings that they are compared with)
PAIRS = {
    "adapters on 8 hot experts against none": (["--hot", "8"], ["--hot", "0"]),
    "adapters on all 64 experts against none": (["--hot", "64"], ["--hot", "0"]),
    "dropout 0.05 against 0, 8 hot experts": (["--hot", "8", "--dropout", "0.05"], ["--hot", "8"]),
    "half of the tokens supervised against all": (["--supervised", "0.5"], ["--supervised", "1"]),
    "bf16 saved activations against fp32": (["--saved", "bf16"], ["--saved", "fp32"]),
    "bf16 products against fp32": (["--matmul", "bf16"], ["--matmul", "fp32"]),
}


def seconds(options, settings):
    # Routing is the same everywhere: eight experts take 53 % of the slots.
    command = [options.program, "bench", "step", "--layers", str(options.layers), "--tokens", str(options.tokens), "--steps", str(options.steps),
               "--busy", "8", "--hot-share", "0.53", *settings, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"step_costs: {' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)["seconds"]["step"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.environ.get("HELLORA") or "build/release/bin/hellora")
    for name, default in (("layers", 2), ("tokens", 2048), ("steps", 3), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("pairs", nargs="*", metavar="PAIR", help="a part of a pair's name; default: all")
    options = parser.parse_args()
    for name, (settings, against) in PAIRS.items():
        if options.pairs and not any(part in name for part in options.pairs):
            continue
        ratios = [seconds(options, settings) / seconds(options, against) for _ in range(options.rounds)]
        print(f"{name:<44} {statistics.median(ratios):.3f}  ({min(ratios):.3f} to {max(ratios):.3f})", flush=True)


if __name__ == "__main__":
    main()
