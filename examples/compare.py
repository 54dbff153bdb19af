#!/usr/bin/env python3
"""Does it matter which experts are adapted? Trains the small model as examples/quickstart.yaml does in five arms, each with the same seeds.

    python3 examples/compare.py                          # 5 arms x 5 seeds, from the root of the repository: half an hour on two cores
    python3 examples/compare.py --seeds 2 --steps 5      # a look at how it works: 2 minutes

The table is printed and written to runs/compare/results.md, all numbers to results.json beside it. A second call goes on where the first one stopped.
Exit code: 0 the evidence holds, 1 it does not (the last line says why), 2 a run failed, 130 interrupted.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ATTENTION_AND_ROUTER = "adapter.targets=q k v o router"
ARMS = {
    "all": ("every expert", ["select.policy=all"]),
    "hot": ("the 8 chosen most often", ["select.policy=hot", "select.k=8"]),
    "random": ("8 at random", ["select.policy=random", "select.k=8"]),
    "cold": ("the 8 chosen least often", ["select.policy=cold", "select.k=8"]),
    "none": ("attention and router only", ["select.policy=all", ATTENTION_AND_ROUTER]),
}
LEAST_IMPROVEMENT = 0.3  # of hot, in nats per answer token


class RunFailed(Exception):
    pass


def write(path, text):
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def recorded(path, made_from):
    """The summary of an earlier run, if it ended and was made from the same settings and configuration."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record["summary"] if record.get("made_from") == made_from else None


def result(options, arm, seed):
    """The summary of one arm and seed; the record beside the run folder is written last, so that it stands for a complete run."""
    settings = ARMS[arm][1] + ([f"train.max_steps={options.steps}"] if options.steps else []) + [f"seed={seed}"]
    folder = options.out / f"{arm}-{seed}"
    record = options.out / f"{arm}-{seed}.json"
    made_from = {"settings": settings, "config": options.config.read_text(encoding="utf-8")}
    summary = recorded(record, made_from)
    if summary is None:
        command = [options.program, "run", str(options.config), *settings, f"output={folder}", "--overwrite", "--quiet"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        except OSError as error:
            raise RunFailed(f"{options.program} does not start: {error.strerror}") from error
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["no message"]
            raise RunFailed(f"{arm}, seed {seed}: exit code {done.returncode}: {said[-1]}")
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        write(record, json.dumps({"made_from": made_from, "summary": summary}, indent=1) + "\n")
    loss = summary["eval"]
    print(f"{arm:<7} seed {seed}  loss {loss['loss_before']:.4f} -> {loss['loss_after']:.4f}", file=sys.stderr, flush=True)
    return summary


def spread(values):
    return {"mean": statistics.mean(values), "sd": statistics.stdev(values) if len(values) > 1 else 0.0, "min": min(values), "max": max(values)}


def collect(options):
    seeds = list(range(1, options.seeds + 1))
    arms = {}
    # Seed by seed, so that an interrupted comparison has whole pairs.
    runs = {(arm, seed): result(options, arm, seed) for seed in seeds for arm in ARMS}
    for arm, (what, settings) in ARMS.items():
        own = [runs[arm, seed] for seed in seeds]
        before, after = ([run["eval"][name] for run in own] for name in ("loss_before", "loss_after"))
        arms[arm] = {"experts": what, "settings": settings, "trainable": own[0]["trainable"], "steps": own[0]["steps"],
                     "loss_before": {"values": before, **spread(before)}, "loss_after": {"values": after, **spread(after)}}
    hot, random = (arms[arm]["loss_after"]["values"] for arm in ("hot", "random"))
    pairs = [h - r for h, r in zip(hot, random)]
    return {"config": str(options.config), "seeds": seeds, "arms": arms,
            "hot_minus_random": {"values": pairs, **spread(pairs), "hot_below": sum(pair < 0 for pair in pairs)}}


def verdict(results):
    """(holds, sentence)"""
    hot, pairs = results["arms"]["hot"], results["hot_minus_random"]
    gain, seeds = hot["loss_before"]["mean"] - hot["loss_after"]["mean"], len(results["seeds"])
    faults = []
    if gain < LEAST_IMPROVEMENT:
        faults.append(f"hot experts improve the loss by {gain:.4f}, less than {LEAST_IMPROVEMENT}")
    if pairs["mean"] >= 0:
        faults.append(f"hot experts do not end below random ones: hot - random is {pairs['mean']:+.4f} in the mean")
    if faults:
        return False, "The evidence fails: " + "; ".join(faults) + "."
    return True, (f"The evidence holds: hot experts improve the loss by {gain:.4f} (at least {LEAST_IMPROVEMENT}) and end {-pairs['mean']:.4f} below random "
                  f"ones in the mean, with {pairs['hot_below']} of {seeds} seeds below.")


def table(results):
    pairs, seeds = results["hot_minus_random"], results["seeds"]
    lines = [f"Evaluation loss per answer token, {results['arms']['hot']['steps']} steps, seeds {seeds[0]} to {seeds[-1]} (`{results['config']}`).", "",
             "| arm | adapted experts | trainable | loss before | loss after, mean | sd | min to max |", "|---|---|---:|---:|---:|---:|---|"]
    for arm, row in results["arms"].items():
        after = row["loss_after"]
        lines.append(f"| {arm} | {row['experts']} | {row['trainable']:,} | {row['loss_before']['mean']:.4f} | {after['mean']:.4f} | {after['sd']:.4f} "
                     f"| {after['min']:.4f} to {after['max']:.4f} |")
    lines += ["", "hot - random, same seed: " + ", ".join(f"{pair:+.4f}" for pair in pairs["values"])
              + f"; mean {pairs['mean']:+.4f}, sd {pairs['sd']:.4f}; hot is below in {pairs['hot_below']} of {len(seeds)} seeds.", "", verdict(results)[1]]
    return "\n".join(lines)


def positive(text):
    if int(text) < 1:
        raise ValueError
    return int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.environ.get("HELLORA") or "build/release/bin/hellora", help="default: $HELLORA, or build/release/bin/hellora")
    parser.add_argument("--config", type=pathlib.Path, default=pathlib.Path("examples/quickstart.yaml"))
    parser.add_argument("--seeds", type=positive, default=5, metavar="N", help="seeds 1 to N (default 5)")
    parser.add_argument("--steps", type=positive, help="default: as the configuration says")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/compare"))
    options = parser.parse_args()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        results = collect(options)
        write(options.out / "results.json", json.dumps(results, indent=1) + "\n")
        write(options.out / "results.md", table(results) + "\n")
    except KeyboardInterrupt:
        print("compare: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except (RunFailed, OSError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    print(table(results))
    return 0 if verdict(results)[0] else 1


if __name__ == "__main__":
    sys.exit(main())
