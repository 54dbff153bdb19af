#!/usr/bin/env python3
"""The same training step with hellora and with transformers + PEFT, in turn, round after round.

    python3 bench/peers/run.py                                    # 2 layers, 2048 tokens, 3 rounds
    python3 bench/peers/run.py --methods hot_loop --json out.json
    python3 bench/peers/run.py --layers 1 --tokens 64 --steps 1 --rounds 1      # a look at how it works

The table has tokens per second (median over the rounds), hellora's as a multiple of the peer's in the same round, and the peak memory.
Exit code: 0, 1 a peer failed (the table says which), 2 bad input or hellora failed, 130 interrupted.
"""
import argparse
import filecmp
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys

from options import METHODS, Parser, add_sizes, parse, whole

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = ".venv-interop-v5"
REQUIREMENTS = "tests/interop/requirements-v5.txt"
SAME_SHARE = 0.03  # routing that differs by more is not the same work


class Failed(Exception):
    pass


def python_of_the_peers():
    """The environment's Python; the copy of the requirements in it says that it is complete."""
    complete = ROOT / ENVIRONMENT / "complete"
    if not complete.is_file() or not filecmp.cmp(complete, ROOT / REQUIREMENTS, shallow=False):
        raise Failed(f"{ENVIRONMENT} is not there or not as {REQUIREMENTS} says; `HELLORA=build/release/bin/hellora bash tests/interop/run.sh` makes it")
    return str(ROOT / ENVIRONMENT / "bin" / "python")


def hellora_command(options):
    """Every option of `hellora bench step`, so that its defaults do not matter."""
    return [options.program, "bench", "step", "--arch", "olmoe-1b-7b", "--layers", str(options.layers), "--tokens", str(options.tokens),
            "--seq-len", str(options.seq_len), "--hot", str(options.hot), "--hot-share", str(options.hot_share), "--rank", str(options.rank),
            "--dropout", "0", "--supervised", "1", "--weights", options.dtype, "--matmul", options.matmul, "--saved", options.saved,
            "--steps", str(options.steps), "--threads", str(options.threads), "--json"]


def peer_command(options, python, method):
    return [python, str(pathlib.Path(__file__).with_name("peft_step.py")), "--method", method, "--layers", str(options.layers),
            "--tokens", str(options.tokens), "--seq-len", str(options.seq_len), "--hot", str(options.hot), "--hot-share", str(options.hot_share),
            "--rank", str(options.rank), "--dtype", options.dtype, "--experts", options.experts, "--steps", str(options.steps),
            "--threads", str(options.threads)]


def measure(name, command, threads):
    """The JSON object that the command prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment, check=False)
    except OSError as error:
        raise Failed(f"{name}: {command[0]} does not start: {error.strerror}") from error
    if done.returncode < 0:
        raise Failed(f"{name}: ended by signal {-done.returncode}" + (", perhaps for want of memory" if done.returncode == -9 else ""))
    if done.returncode > 0:
        raise Failed(f"{name}: exit code {done.returncode}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise Failed(f"{name}: did not print a JSON object") from error


def rate(result):
    """Tokens by the time of all timed steps: what hellora reports; of a peer the mean, not its median or best step."""
    value = result["tokens_per_second"]
    return value["mean"] if isinstance(value, dict) else value


def spread(values):
    return {"values": values, "median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(rounds):
    """By name: rates, peak memory, hot share; ratios only of rounds that both ended."""
    table = {}
    for name in rounds[0]:
        results = [one[name] for one in rounds if "error" not in one[name]]
        if not results:
            table[name] = {"error": rounds[0][name]["error"]}
            continue
        table[name] = {"tokens_per_second": spread([rate(r) for r in results]), "peak_rss_bytes": max(r["peak_rss_bytes"] for r in results),
                       "hot_share": statistics.mean(r["hot_share"] for r in results)}
        if name != "hellora":
            table[name]["hellora_to_peer"] = spread([rate(one["hellora"]) / rate(one[name]) for one in rounds if "error" not in one[name]])
            errors = [one[name]["error"] for one in rounds if "error" in one[name]]
            if errors:
                table[name]["error"] = errors[0]
    return table


def print_table(table):
    print("| program | tokens/s | hellora / peer | min to max | peak memory | hot slots |\n|---|---:|---:|---|---:|---:|")
    for name, row in table.items():
        if "tokens_per_second" not in row:
            print(f"| {name} | failed | | | | |")
            continue
        ended, all_rounds = (len(table[who]["tokens_per_second"]["values"]) for who in (name, "hellora"))
        label = name if ended == all_rounds else f"{name} ({ended} of {all_rounds} rounds)"
        ratio = row.get("hellora_to_peer")
        ratios = f"{ratio['median']:.2f} | {ratio['min']:.2f} to {ratio['max']:.2f}" if ratio else "|"
        print(f"| {label} | {row['tokens_per_second']['median']:.1f} | {ratios} | {row['peak_rss_bytes'] / 2**30:.2f} GiB | {row['hot_share']:.1%} |")


def one_round(options, python, number, dropped):
    """The results of a round by name; every other round goes backwards, so that no program always follows the same one."""
    commands = {"hellora": hellora_command(options), **{method: peer_command(options, python, method) for method in options.methods}}
    results = {}
    for name in list(commands)[:: -1 if number % 2 else 1]:
        if name in dropped:
            results[name] = {"error": dropped[name]}
            continue
        try:
            results[name] = measure(name, commands[name], options.threads)
            print(f"round {number + 1} of {options.rounds}  {name:<12} {rate(results[name]):8.1f} tokens/s", file=sys.stderr, flush=True)
        except Failed as failure:
            if name == "hellora":
                raise
            dropped[name] = str(failure)
            results[name] = {"error": str(failure)}
            print(f"run: {failure}; it is not tried again", file=sys.stderr, flush=True)
    return {name: results[name] for name in commands}


def save(options, rounds):
    settings = {name: value for name, value in vars(options).items() if name not in ("json", "program")}
    temporary = options.json.with_name(options.json.name + ".tmp")
    temporary.write_text(json.dumps({"settings": settings, "summary": summary(rounds), "rounds": rounds}, indent=1) + "\n", encoding="utf-8")
    temporary.replace(options.json)


def compare(options):
    """True if every program ended."""
    python, rounds, dropped = python_of_the_peers(), [], {}
    if options.json and not options.json.parent.is_dir():
        raise Failed(f"--json {options.json}: the folder is not there")
    for number in range(options.rounds):
        rounds.append(one_round(options, python, number, dropped))
        if options.json:
            save(options, rounds)
    table = summary(rounds)
    print_table(table)
    for name, row in table.items():
        if abs(row.get("hot_share", table["hellora"]["hot_share"]) - table["hellora"]["hot_share"]) > SAME_SHARE:
            print(f"run: {name} sent {row['hot_share']:.1%} of the slots to the hot experts, hellora {table['hellora']['hot_share']:.1%}", file=sys.stderr)
    return not dropped


def methods(text):
    names = text.split(",")
    for name in names:
        if name not in METHODS or names.count(name) > 1:
            raise argparse.ArgumentTypeError(f"{text} is not a list of different ones of {', '.join(METHODS)}")
    return names


def main():
    parser = Parser(prog="run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sizes(parser)
    parser.add_argument("--methods", type=methods, default=list(METHODS), help=f"separated by commas; default all: {','.join(METHODS)}")
    parser.add_argument("--rounds", type=whole(1, 1000), default=3, help="default 3")
    parser.add_argument("--threads", type=whole(0, 4096), default=0, help="of every program; 0: all cores")
    parser.add_argument("--matmul", choices=["auto", "fp32", "bf16"], default="auto", help="hellora's products; default auto")
    parser.add_argument("--saved", choices=["auto", "fp32", "bf16"], default="auto", help="what hellora keeps for the backward pass; default auto")
    parser.add_argument("--program", default=os.environ.get("HELLORA") or str(ROOT / "build/release/bin/hellora"),
                        help="default: $HELLORA, or build/release/bin/hellora")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="all numbers, written after every round")
    options = parse(parser)
    if options.dtype == "fp32" and options.matmul == "bf16":
        parser.error("--matmul bf16 needs --dtype bf16")
    options.threads = options.threads or len(os.sched_getaffinity(0))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the running program too
    try:
        return 0 if compare(options) else 1
    except (Failed, OSError) as failure:
        print(f"run: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("run: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
