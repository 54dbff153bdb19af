#!/usr/bin/env python3
"""Logits and routing of checkpoints, with PEFT adapters where given, as transformers and PEFT compute them.

    peft_logits.py --jobs FILE.json [--dtype float32]

FILE.json holds [{"model": DIR, "adapter": DIR or null, "ids": FILE.json, "out": FILE.safetensors, "plain": bool}, …]; ids are
{"input_ids": [[...]]} with rows of equal length. Written as `hellora forward` does: `logits` (rows, length, vocabulary) and
`router.L.indices` (rows * length, k), L counting routed layers only. A job whose key is missing, left over or of another shape, or that makes the loaders warn
of something like it, leaves OUT.error with the loader's own words instead. "plain" jobs ask for nothing beyond from_pretrained; "auto" jobs give PEFT the
adapter alone.
"""
import argparse
import ast
import json
import logging
import pathlib
import re
import warnings

import peft
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file

SUSPICIOUS = re.compile(r"missing|unexpected|not used|ignor|mismatch|newly initialized|not initialized|not found|no parameter was matched", re.I)


class Refused(Exception):
    pass


class Collect(logging.Handler):
    """Keeps what transformers and PEFT log."""

    def __init__(self):
        super().__init__()
        self.lines = []
        transformers.logging.get_logger().addHandler(self)
        logging.getLogger("peft").addHandler(self)

    def emit(self, record):
        self.lines.append(record.getMessage())


def load_model(folder, dtype):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=dtype, output_loading_info=True
    )
    problems = [f"{kind}: {sorted(map(str, names))}" for kind, names in info.items() if names]
    if problems:
        raise Refused("base model: " + "; ".join(problems))
    return model.eval()


def attach(model, folder):
    """from_pretrained warns about missing keys and says nothing about left-over ones, so the loader's result is kept."""
    load_adapter, results = peft.PeftModel.load_adapter, []

    def keep_result(*arguments, **options):
        results.append(load_adapter(*arguments, **options))
        return results[-1]

    peft.PeftModel.load_adapter = keep_result
    try:
        model = peft.PeftModel.from_pretrained(model, folder)
    finally:
        peft.PeftModel.load_adapter = load_adapter
    (result,) = results
    missing = [key for key in result.missing_keys if not is_reference(key)]
    if missing or result.unexpected_keys:
        raise Refused(f"adapter: missing keys {missing}, unexpected keys {list(result.unexpected_keys)}")
    check_used(model, folder)
    return model


def is_reference(key):
    """Each module's name for the random bases that PEFT's RandLoRA keeps once, as base_model.randlora_A and _B."""
    return re.fullmatch(r"base_model\.model\..*\.randlora_[AB]\.default", key) is not None


def is_untrue(line, model):
    """PEFT compares rank and alpha patterns with module names only, so it calls patterns of wrapped parameters unused; and it misses
    what is_reference."""
    missing = re.fullmatch(r"Found missing adapter keys while loading the checkpoint: (\[.*\])\.", line)
    if missing:
        return all(map(is_reference, ast.literal_eval(missing[1])))
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
    tensors = [*model.named_parameters(), *model.named_buffers()]  # one that is shared comes once
    loaded = sum(float(one.double().square().sum()) for name, one in tensors if re.search(r"\.(lora|vera|randlora|hira)_", name))
    if abs(stored - loaded) > 1e-5 * stored:
        raise Refused(f"adapter: the sum of squares is {stored} in the file and {loaded} in the model")


def compute(job, dtype):
    if job.get("auto"):  # the base comes from the adapter's own base_model_name_or_path
        model = peft.AutoPeftModelForCausalLM.from_pretrained(job["adapter"], attn_implementation="eager", dtype=dtype).eval()
        check_used(model, job["adapter"])
    else:
        model = load_model(job["model"], dtype)
    if job.get("adapter") and not job.get("auto"):
        model = (peft.PeftModel.from_pretrained if job.get("plain") else attach)(model, job["adapter"]).eval()
    ids = torch.tensor(json.loads(pathlib.Path(job["ids"]).read_text())["input_ids"])
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, output_router_logits=True)
    tensors = {"logits": out.logits.float().contiguous()}
    routed = getattr(out, "router_logits", None)
    if not routed and hasattr(model.config, "router_aux_loss_coef"):
        raise Refused("no router logits")  # only dense models and DeepSeek-V2 on transformers 4 may have none
    for layer, logits in enumerate(routed or ()):  # routed layers by their order
        tensors[f"router.{layer}.indices"] = logits.float().softmax(-1).topk(model.config.num_experts_per_tok, -1).indices
    return model, tensors


def run(job, dtype, log):
    log.lines.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, tensors = compute(job, dtype)
    lines = [*log.lines, *(str(warning.message) for warning in caught)]
    lines = [line for line in lines if SUSPICIOUS.search(line) and not is_untrue(line, model)]
    if lines and not job.get("plain"):
        raise Refused("\n".join(lines))
    save_file(tensors, job["out"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", required=True)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64", "bfloat16"])
    arguments = parser.parse_args()
    log = Collect()
    for job in json.loads(pathlib.Path(arguments.jobs).read_text()):
        try:
            run(job, getattr(torch, arguments.dtype), log)
        except Exception as error:  # the loaders' errors have many types; each is this job's result
            pathlib.Path(job["out"] + ".error").write_text(f"{type(error).__name__}: {error}\n")


if __name__ == "__main__":
    main()
