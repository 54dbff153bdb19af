#!/usr/bin/env python3
"""What does each adapter method reach on the same hot experts? Trains the small model as examples/quickstart.yaml does with every method of the table.

    python3 examples/methods.py                              # every method x 5 seeds, from the root of the repository: two hours on two cores
    python3 examples/methods.py --seeds 1 --steps 5          # a look at how it works: five minutes
    python3 examples/methods.py --methods lora dora lori     # some of them

All methods have the configuration's learning rate and rank, which suit LoRA: nothing is tuned, so that a method below another one here may be above it with its own
settings. The table is printed and written to runs/methods/results.md, all numbers to results.json beside it. A second call goes on where the first one stopped.
Exit code: 0, 2 a run failed, 130 interrupted.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

import compare

OWN = {"allora": ["adapter.dropout=0"]}  # it has none


def known(program):
    rows = json.loads(subprocess.run([program, "methods", "--json"], capture_output=True, text=True, check=True).stdout)["rows"]
    return [row["method"] for row in rows if row["result"] == "adapter" and not row["needs"]]


def collect(options):
    """Seed by seed and method by method in turn, so that a change of the machine's speed meets all of them."""
    compare.ARMS = {name: ("hot", ["select.policy=hot", "select.k=8", "select.mode=base", f"adapter.method={name}"] + OWN.get(name, []) + options.set) for name in options.methods}
    runs = {}
    for seed in range(1, options.seeds + 1):
        for name in options.methods:
            summary = compare.result(options, name, seed)
            file = options.out / f"{name}-{seed}" / "adapter" / "adapter_model.safetensors"
            runs.setdefault(name, []).append({"loss": summary["eval"]["loss_after"], "trainable": summary["trainable"], "rate": summary["tokens_per_second"],
                                              "bytes": file.stat().st_size, "steps": summary["steps"]})
    return {"config": str(options.config), "seeds": options.seeds, "runs": runs}


def table(results):
    runs = results["runs"]
    first = next(iter(runs))
    lines = [f"Evaluation loss per answer token after {runs[first][0]['steps']} steps on the 8 hot experts of each layer, {results['seeds']} seeds (`{results['config']}`).", "",
             f"| method | loss, mean | sd | trained | file, KB | speed, of `{first}` |", "|---|---:|---:|---:|---:|---:|"]
    for name, own in runs.items():
        loss = compare.spread([run["loss"] for run in own])
        speed = sorted(run["rate"] / other["rate"] for run, other in zip(own, runs[first]))[len(own) // 2]
        lines.append(f"| `{name}` | {loss['mean']:.3f} | {loss['sd']:.3f} | {own[0]['trainable']:,} | {own[0]['bytes'] / 1000:,.0f} | {speed:.2f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.environ.get("HELLORA") or "build/release/bin/hellora", help="default: $HELLORA, or build/release/bin/hellora")
    parser.add_argument("--config", type=pathlib.Path, default=pathlib.Path("examples/quickstart.yaml"))
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="default: all that make an adapter and need no data of their own")
    parser.add_argument("--seeds", type=compare.positive, default=5, metavar="N", help="seeds 1 to N (default 5)")
    parser.add_argument("--steps", type=compare.positive, help="default: as the configuration says")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of every run")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/methods"))
    options = parser.parse_args()
    try:
        options.methods = options.methods or known(options.program)
        options.out.mkdir(parents=True, exist_ok=True)
        results = collect(options)
        compare.write(options.out / "results.json", json.dumps(results, indent=1) + "\n")
        compare.write(options.out / "results.md", table(results) + "\n")
    except KeyboardInterrupt:
        print("methods: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except (OSError, subprocess.CalledProcessError, compare.RunFailed) as error:
        print(f"methods: {error}", file=sys.stderr)
        return 2
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
