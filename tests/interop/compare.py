#!/usr/bin/env python3
"""Comparisons of what hellora wrote with what other tools make of it. Each prints one line; exit status 1: they differ.

    compare.py logits OURS THEIRS        files of `hellora forward` and of peft_logits.py
    compare.py effect BASE ADAPTED       the adapter changes the logits enough for the comparisons above to mean something
    compare.py refused OUT PATTERN       the job of peft_logits.py left an error that matches, and no logits
    compare.py config FOLDERS…           PEFT reads each adapter_config.json without a word
    compare.py events RUN                TensorBoard's reader finds the numbers of metrics.jsonl in RUN
    compare.py tokens ROWS OURS [OURS_SPECIAL] --tokenizer FILE    ids of `hellora tokenize` for JSON strings
"""
import argparse
import json
import logging
import pathlib
import re
import sys
import warnings

TOLERANCE = 2e-5  # of the largest logit
EFFECT = 1e-2  # of the largest logit, what an adapter must change


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def load(path):
    from safetensors.numpy import load_file

    error = pathlib.Path(path + ".error")
    if error.exists():
        sys.exit(error.read_text())
    return load_file(path)


def distance(ours, theirs):
    """Largest difference as a share of the largest logit; NaN when one of them holds a NaN."""
    import numpy

    if ours.shape != theirs.shape:
        sys.exit(f"shapes differ: {ours.shape} and {theirs.shape}")
    return float(numpy.abs(ours.astype("f8") - theirs).max() / numpy.abs(theirs).max())


def routing(tensors):
    """Keys of routed layers in their order."""
    return sorted((key for key in tensors if key.endswith(".indices")), key=lambda key: int(key.split(".")[1]))


def logits(arguments):
    ours, theirs = load(arguments.ours), load(arguments.theirs)
    largest = distance(ours["logits"], theirs["logits"])
    layers, own = routing(theirs), routing(ours)
    if layers and len(layers) != len(own):
        sys.exit(f"routing of {len(layers)} layers in theirs, of {len(own)} in ours")
    moved = sum(int((ours[a] != theirs[b]).sum()) for a, b in zip(own, layers))
    choices = sum(theirs[key].size for key in layers)
    print(f"logits differ by {largest:.1e}, {moved} of {choices} expert choices differ" if layers else f"logits differ by {largest:.1e}")
    return largest <= TOLERANCE and moved == 0


def effect(arguments):
    largest = distance(load(arguments.adapted)["logits"], load(arguments.base)["logits"])
    print(f"changes the logits by {largest:.1e}")
    return largest >= EFFECT


def refused(arguments):
    error = pathlib.Path(arguments.out + ".error")
    text = error.read_text() if error.exists() else ""
    print(text.replace("\n", " ")[:120] if text else "was loaded without an error")
    return re.search(arguments.pattern, text) is not None and not pathlib.Path(arguments.out).exists()


class Collect(logging.Handler):
    lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def config(arguments):
    import peft

    logging.getLogger().addHandler(Collect())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read = [peft.PeftConfig.from_pretrained(folder) for folder in arguments.folders]
    lines = Collect.lines + [str(warning.message) for warning in caught]
    print("; ".join(lines) or f"{len(read)} read, nothing said")
    return all(isinstance(one, peft.PeftConfig) for one in read) and not lines


def events(arguments):
    import numpy
    import tensorboard_reader

    expected = {}
    for line in lines_of(pathlib.Path(arguments.run) / "metrics.jsonl"):
        values = {"eval/loss": line["eval_loss"]} if "eval_loss" in line else {}
        if "loss" in line:
            values = {f"train/{kind}": line[kind] for kind in ("loss", "lr", "grad_norm", "tokens_per_s")}
        load = line.get("expert_load", {"layers": []})
        for kind in ("coverage", "drift", "balance") if load["layers"] else ():
            values[f"expert_{kind}/mean"] = load[kind]
            values.update({f"expert_{kind}/layer_{layer['layer']:02}": layer[kind] for layer in load["layers"]})
        expected.update({(tag, line["step"]): float(numpy.float32(value)) for tag, value in values.items()})
    rows = tensorboard_reader.read(arguments.run)
    found = {(tag, step): value for tag, step, value in rows}
    wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
    tags = {tag for tag, _ in found}
    print(f"{len(rows)} values of {len(tags)} tags in {max(step for _, step in expected)} steps" + (f", wrong: {wrong[:5]}" if wrong else ""))
    return not wrong and len(rows) == len(found) and len(tags) >= 5


def tokens(arguments):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(arguments.tokenizer)
    rows, wrong = lines_of(arguments.rows), []
    for path, special in zip(arguments.ours, (False, True)):
        ours = lines_of(path)
        theirs = [tokenizer.encode(text, add_special_tokens=special).ids for text in rows]
        if len(ours) != len(rows):
            sys.exit(f"{len(rows)} rows, {len(ours)} of ours")
        wrong += [text for text, ids, own in zip(rows, theirs, ours) if ids != own]
    beyond = sum(not text.isascii() for text in rows)
    print(f"{len(rows)} rows, {beyond} beyond ASCII, {len(wrong)} differ" + (f": {wrong[0]!r}" if wrong else ""))
    return not wrong and len(rows) >= 200 and beyond >= 50


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command, names in ((logits, "ours theirs"), (effect, "base adapted"), (refused, "out pattern"), (events, "run")):
        sub = commands.add_parser(command.__name__)
        sub.set_defaults(command=command)
        for name in names.split():
            sub.add_argument(name)
    sub = commands.add_parser("config")
    sub.set_defaults(command=config)
    sub.add_argument("folders", nargs="+")
    sub = commands.add_parser("tokens")
    sub.set_defaults(command=tokens)
    sub.add_argument("--tokenizer", required=True)
    sub.add_argument("rows")
    sub.add_argument("ours", nargs="+")
    arguments = parser.parse_args()
    sys.exit(0 if arguments.command(arguments) else 1)


if __name__ == "__main__":
    main()
