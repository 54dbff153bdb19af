#!/usr/bin/env python3
"""Regenerates the golden files into a temporary folder and compares them with the committed ones.

    check.py [FAMILY ...]   all families of tests/golden/fixtures by default; run once per environment (transformers 4, then 5)
"""
import json
import pathlib
import shutil
import sys
import tempfile

import cases
import make_models
import torch
import transformers
from safetensors.torch import load_file

COMMITTED = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "fixtures"
RELATIVE = {torch.float32: 2e-5, torch.float64: 1e-11}  # of the tensor's largest value
ABOUT_VERSIONS = {"versions", "transformers_version", "peft", "peft_version"}


def json_differences(old, new):
    old, new = json.loads(old.read_text()), json.loads(new.read_text())
    return [key for key in sorted((old.keys() | new.keys()) - ABOUT_VERSIONS) if old.get(key) != new.get(key)]


def tensor_differences(old, new):
    old, new = load_file(old), load_file(new)
    found = sorted(old.keys() ^ new.keys())
    for name in sorted(old.keys() & new.keys()):
        a, b = old[name], new[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            found.append(name)
        elif not torch.allclose(a, b, rtol=0, atol=RELATIVE.get(a.dtype, 0) * float(a.abs().max())):
            found.append(f"{name} by {float((a - b).abs().max()):.2e}")
    return found


def differences(committed, made):
    names = {str(path.relative_to(root)) for root in (committed, made) for path in root.rglob("*") if path.is_file()}
    for name in sorted(names):
        old, new = committed / name, made / name
        if not old.exists() or not new.exists():
            yield f"{name}: only {'new' if new.exists() else 'committed'}"
        elif name.endswith(".safetensors"):
            yield from (f"{name}: {what}" for what in tensor_differences(old, new))
        elif name.endswith(".json"):
            yield from (f"{name}: {what}" for what in json_differences(old, new))


def main(names):
    families, old = names or list(cases.FAMILIES), not transformers.__version__.startswith("5.")
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder)
        for family in families:
            shutil.copytree(COMMITTED / family, made / family)  # what the other environment makes stays as committed
        if old:
            for case in make_models.chosen(families):
                shutil.rmtree(made / case)
        make_models.main(made, families)
        for case in make_models.chosen(families) if old else []:
            if "fused" in cases.extras(case):
                shutil.copytree(COMMITTED / case / "fused", made / case / "fused")
        found = [f"{family}/{what}" for family in families for what in differences(COMMITTED / family, made / family)]
    print("\n".join(found) or "all golden files agree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
