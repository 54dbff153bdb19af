#!/usr/bin/env python3
"""Logits of a checkpoint, with a PEFT adapter when one is given, as transformers and PEFT compute them.

    peft_logits.py --model DIR [--adapter DIR] --ids FILE.json --out FILE.safetensors [--dtype float32]

FILE.json holds {"input_ids": [[...]]} with rows of equal length; `logits` is written as (rows, length, vocabulary) float32.
A key that is missing, left over or of another shape ends the run with the loader's own words and exit status 1.
"""
import argparse
import ast
import json
import logging
import re
import sys
import warnings

import peft
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file

SUSPICIOUS = re.compile(r"missing|unexpected|not used|ignor|mismatch|newly initialized|not initialized|not found|no parameter was matched", re.I)


class Collect(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def load_model(folder, dtype):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=dtype, output_loading_info=True
    )
    problems = [f"{kind}: {sorted(map(str, names))}" for kind, names in info.items() if names]
    if problems:
        sys.exit("base model: " + "; ".join(problems))
    return model.eval()


def attach(model, folder):
    """from_pretrained warns about missing keys and says nothing about left-over ones, so the loader's result is kept."""
    load_adapter, results = peft.PeftModel.load_adapter, []

    def keep_result(*arguments, **options):
        results.append(load_adapter(*arguments, **options))
        return results[-1]

    peft.PeftModel.load_adapter = keep_result
    model = peft.PeftModel.from_pretrained(model, folder)
    peft.PeftModel.load_adapter = load_adapter
    (result,) = results
    if result.missing_keys or result.unexpected_keys:
        sys.exit(f"adapter: missing keys {list(result.missing_keys)}, unexpected keys {list(result.unexpected_keys)}")
    check_used(model, folder)
    return model.eval()


def is_untrue(line, model):
    """PEFT compares rank and alpha patterns with module names only, so it calls patterns of wrapped parameters unused."""
    keys = re.search(r"The following (?:rank|alpha)_pattern keys did not match any targeted module and were ignored: (\[.*\])", line)
    if not keys:
        return False
    wrapped = [
        f"{name.replace('.base_layer', '')}.{module.parameter_name}"
        for name, module in model.named_modules()
        if type(module).__name__ == "ParamWrapper"
    ]
    return all(any(re.match(rf"(.*\.)?({key})$", path) for path in wrapped) for key in ast.literal_eval(keys[1]))


def check_used(model, folder):
    """Nothing that is not zero in the file may have become zero in the model."""
    with safe_open(f"{folder}/adapter_model.safetensors", "pt") as file:
        stored = sum(float(file.get_tensor(key).double().square().sum()) for key in file.keys())
    loaded = sum(float(tensor.double().square().sum()) for name, tensor in model.named_parameters() if ".lora_" in name)
    if abs(stored - loaded) > 1e-5 * stored:
        sys.exit(f"adapter: the sum of squares is {stored} in the file and {loaded} in the model")


def compute(arguments):
    model = load_model(arguments.model, getattr(torch, arguments.dtype))
    if arguments.adapter:
        model = attach(model, arguments.adapter)
    with open(arguments.ids, encoding="utf-8") as file:
        ids = torch.tensor(json.load(file)["input_ids"])
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    return model, logits.float().contiguous()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--adapter")
    parser.add_argument("--ids", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64", "bfloat16"])
    arguments = parser.parse_args()
    log = Collect()
    transformers.logging.get_logger().addHandler(log)
    logging.getLogger("peft").addHandler(log)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, logits = compute(arguments)
    lines = [*log.lines, *(str(warning.message) for warning in caught)]
    lines = [line for line in lines if SUSPICIOUS.search(line) and not is_untrue(line, model)]
    if lines:
        sys.exit("\n".join(lines))
    save_file({"logits": logits}, arguments.out)


if __name__ == "__main__":
    main()
