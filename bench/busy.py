#!/usr/bin/env python3
"""What waiting threads cost: one training alone and two at once, for several ways to wait, in turn.

    bench/busy.py [--program FILE] [--rounds 3] [--steps 25] [WAY…]      a way: default, libgomp, passive, or rounds of spinning

`default` is what the launcher sets, `libgomp` libgomp's own choice (300,000 rounds), `passive` no spinning at all. Every round runs all ways in turn, in the
opposite order in every second round; ratios are taken within a round (the machine may be faster or slower in the next one), printed are their medians and ranges.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def environment(way):
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    if way == "default":
        return kept
    if way == "passive":
        return {**kept, "OMP_WAIT_POLICY": "passive"}
    return {**kept, "GOMP_SPINCOUNT": "300000" if way == "libgomp" else way}


def seconds(options, way, at_once, folder):
    """Wall time until the last of the trainings has ended."""
    start, running = time.monotonic(), []
    for number in range(at_once):
        command = [options.program, "train", "--quiet", "--overwrite", "recipe=hellora", f"model={ROOT}/models/tiny-olmoe", f"data.train={ROOT}/data/gsm8k/train.jsonl",
                   f"output={folder}/{number}", "select.mode=base", "select.fraction=0.02", "select.k=8", "adapter.rank=8", "train.micro_batch_tokens=2048",
                   f"train.max_steps={options.steps}"]
        running.append(subprocess.Popen(command, env=environment(way), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
    for one in running:
        said = one.communicate()[1]
        if one.returncode != 0:
            sys.exit(f"busy: {' '.join(one.args)}: {said.strip()}")
    return time.monotonic() - start


def show(name, ratios):
    print(f"{name:52} {statistics.median(ratios):6.3f}  ({min(ratios):.3f} to {max(ratios):.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.environ.get("HELLORA") or f"{ROOT}/build/release/bin/hellora")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("ways", nargs="*", default=["libgomp", "default", "passive"])
    options = parser.parse_args()
    alone, two = {way: [] for way in options.ways}, {way: [] for way in options.ways}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for way in options.ways[:: -1 if number % 2 else 1]:
                alone[way].append(seconds(options, way, 1, folder))
                two[way].append(seconds(options, way, 2, folder))
                print(f"round {number + 1}  {way:10} one alone {alone[way][-1]:6.2f} s, two at once {two[way][-1]:6.2f} s", flush=True)
    print(f"load at the end: {os.getloadavg()[0]:.1f}\n")
    first = options.ways[0]
    for way in options.ways:
        show(f"{way}: two at once / one alone", [b / a for a, b in zip(alone[way], two[way])])
        if way != first:
            show(f"{way}: one alone / one alone with {first}", [b / a for a, b in zip(alone[first], alone[way])])


if __name__ == "__main__":
    main()
