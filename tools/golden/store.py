"""Writes golden folders: tensor files and the manifest that says how they were made."""
import json

import safetensors
import torch
import transformers
from safetensors.torch import save_file

MAX_BYTES = 300_000
NAMES = {torch.float32: "f32", torch.float64: "f64"}


def save_golden(folder, dtype, tensors):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    for name, value in tensors.items():
        if value.is_floating_point() and value.dtype != dtype:
            raise AssertionError(f"{folder.name}: {name} is {value.dtype}, not {dtype}")
    save_file(tensors, folder / f"golden_{NAMES[dtype]}.safetensors")


def names(dtypes):
    return [str(dtype).removeprefix("torch.") for dtype in dtypes]


def edit_json(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value, indent=2) + "\n")


def save_manifest(folder, **facts):
    versions = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "safetensors": safetensors.__version__}
    (folder / "manifest.json").write_text(json.dumps({"versions": versions, **facts}, indent=2, sort_keys=True) + "\n")


def check_sizes(root):
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise SystemExit(f"{path}: {path.stat().st_size} bytes, at most {MAX_BYTES} wanted")
