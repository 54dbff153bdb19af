#!/usr/bin/env python3
"""Rounds a model folder from fp32 to bf16: to_bf16.py FROM TO (needs torch and safetensors)."""
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

source, target = map(pathlib.Path, sys.argv[1:])
weights = {name: value.to(torch.bfloat16) for name, value in load_file(source / "model.safetensors").items()}
save_file(weights, target / "model.safetensors", {"format": "pt"})
config = json.loads((source / "config.json").read_text())
config["torch_dtype"] = "bfloat16"
(target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
