"""Broken copies of a good model, adapter, plan and profile, each in a folder or file named after what is wrong with it.

    python3 lib_hostile.py MODEL ADAPTER PLAN PROFILE OUT
"""
import json
import os
import shutil
import struct
import sys

from lib_tensors import read, write

model, adapter, plan, profile, out = sys.argv[1:]
tensors = read(model + "/model.safetensors")
config = json.load(open(model + "/config.json"))
EXPERT = "model.layers.0.mlp.experts.3.up_proj.weight"


def put(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb" if isinstance(content, bytes) else "w") as stream:
        stream.write(content if isinstance(content, (bytes, str)) else json.dumps(content))


def header(**entries):
    return json.dumps(entries)


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def hostile_files():
    """Files of tensors: each breaks one rule of the format."""
    good = open(model + "/model.safetensors", "rb").read()
    os.makedirs(out + "/tensors")
    files = {"empty": b"", "short": b"\x08\0\0", "cut_header": good[:200], "cut_data": good[:-1], "tail": good + b"\0\0"}
    for name, content in files.items():
        put(f"{out}/tensors/{name}.safetensors", content)
    raw = {
        "long_header": ("{}", b"", 1 << 62),
        "overflow_header": ("{}", b"", (1 << 64) - 1),
        "not_json": ('{"a": ', b""),
        "not_object": ("[1, 2]", b""),
        "not_utf8": (header(a=entry()).replace("a", "\ud800", 1), bytes(8)),
        "duplicate_key": ('{"a": %s, "a": %s}' % ((json.dumps(entry()),) * 2), bytes(8)),
        "deep": ("{" + '"a":{' * 100000 + "}" * 100001, b""),
        "nul": (header(a=entry()) + "\0", bytes(8)),
        "metadata": ('{"__metadata__": {"a": 1}}', b""),
        "no_dtype": ('{"a": {"shape": [2], "data_offsets": [0, 8]}}', bytes(8)),
        "bad_dtype": (header(a=entry("F33")), bytes(8)),
        "bad_shape": (header(a=entry(shape=(2.5,))), bytes(8)),
        "negative_shape": (header(a=entry(shape=(-2,))), bytes(8)),
        "huge_shape": (header(a=entry(shape=(1 << 62, 1 << 62))), bytes(8)),
        "wrong_size": (header(a=entry(shape=(3,))), bytes(8)),
        "backwards": (header(a=entry(offsets=(8, 0))), bytes(8)),
        "negative_offset": (header(a=entry(offsets=(-8, 0))), bytes(8)),
        "outside": (header(a=entry(offsets=(8, 16))), bytes(8)),
        "huge_offset": (header(a=entry(offsets=(1 << 64, (1 << 64) + 8))), bytes(8)),
        "overlap": (header(a=entry(), b=entry(offsets=(4, 12))), bytes(12)),
        "hole": (header(a=entry(), b=entry(offsets=(9, 17))), bytes(17)),
    }
    for name, (text, body, *length) in raw.items():
        path = f"{out}/tensors/{name}.safetensors"
        data = text.encode("utf-8", "surrogatepass")
        put(path, struct.pack("<Q", length[0] if length else len(data)) + data + body)


def copy_model(name, weights=None, settings=None, text=None):
    folder = f"{out}/models/{name}"
    shutil.copytree(model, folder)
    if weights is not None:
        write(folder + "/model.safetensors", weights)
    if settings is not None:
        put(folder + "/config.json", {key: value for key, value in {**config, **settings}.items() if value != "absent"})
    if text is not None:
        put(folder + "/config.json", text)
    return folder


def hostile_models():
    dtype, (rows, columns), data = tensors[EXPERT]
    copy_model("wrong_shape", {**tensors, EXPERT: (dtype, (columns, rows), data)})
    copy_model("missing_tensor", {name: tensor for name, tensor in tensors.items() if name != EXPERT})
    copy_model("extra_tensor", {**tensors, "model.layers.0.mlp.extra.weight": (dtype, (rows, columns), data)})
    copy_model("integer_tensor", {**tensors, EXPERT: ("I16", (rows, columns), data)})
    copy_model("nan_weight", {**tensors, EXPERT: (dtype, (rows, columns), b"\xc0\x7f" * (rows * columns))})
    copy_model("unknown_arch", settings={"model_type": "olmo_next"})
    copy_model("no_arch", settings={"model_type": "absent"})
    copy_model("no_experts", settings={"num_experts": "absent"})
    copy_model("experts_text", settings={"num_experts": "eight"})
    copy_model("top_k_too_large", settings={"num_experts_per_tok": 9})
    copy_model("zero_layers", settings={"num_hidden_layers": 0})
    copy_model("huge_vocab", settings={"vocab_size": 1 << 40})
    copy_model("quantized", settings={"quantization_config": {"bits": 4}})
    copy_model("rope", settings={"rope_scaling": {"rope_type": "longrope", "factor": 4}})
    copy_model("duplicate_key", text='{"model_type": "olmoe", "model_type": "olmoe"}')
    copy_model("broken_config", text='{"model_type": ')
    copy_model("array_config", text="[]")
    os.remove(copy_model("no_weights") + "/model.safetensors")
    os.remove(copy_model("no_config") + "/config.json")
    os.remove(copy_model("no_tokenizer") + "/tokenizer.json")
    put(copy_model("broken_tokenizer") + "/tokenizer.json", '{"model": {}}')
    folder = copy_model("pickle")
    os.rename(folder + "/model.safetensors", folder + "/pytorch_model.bin")
    wide = json.load(open(model + "/tokenizer.json"))
    wide["added_tokens"].append({**wide["added_tokens"][0], "id": config["vocab_size"] + 7, "content": "pens"})
    put(copy_model("wide_tokenizer") + "/tokenizer.json", wide)
    shards()


def shards():
    names = sorted(tensors)
    halves = {"one.safetensors": names[: len(names) // 2], "two.safetensors": names[len(names) // 2 :]}
    index = {"metadata": {}, "weight_map": {name: file for file, half in halves.items() for name in half}}
    broken = {
        "missing_shard": index,
        "wrong_shard": {**index, "weight_map": {**index["weight_map"], names[0]: "two.safetensors"}},
        "outside_shard": {**index, "weight_map": {**index["weight_map"], names[0]: "../one.safetensors"}},
        "empty_index": {"weight_map": {}},
        "no_weight_map": {"metadata": {}},
    }
    for name, content in broken.items():
        folder = copy_model(name)
        os.remove(folder + "/model.safetensors")
        for file, half in halves.items():
            write(f"{folder}/{file}", {one: tensors[one] for one in half})
        put(folder + "/model.safetensors.index.json", content)
    os.remove(f"{out}/models/missing_shard/two.safetensors")


def hostile_adapters():
    good = read(adapter + "/adapter_model.safetensors")
    settings = json.load(open(adapter + "/adapter_config.json"))
    ours = json.load(open(adapter + "/hellora.json"))
    q = next(name for name in sorted(good) if "q_proj.lora_A" in name)
    a = next(name for name in sorted(good) if "up_proj.lora_A" in name)
    b = a.replace("lora_A", "lora_B")
    dtype, (rank, columns), data = good[a]

    def copy(name, weights=None, **changes):
        folder = f"{out}/adapters/{name}"
        shutil.copytree(adapter, folder)
        if weights is not None:
            write(folder + "/adapter_model.safetensors", weights)
        put(folder + "/adapter_config.json", {**settings, **changes})
        return folder

    without = lambda *names: {name: tensor for name, tensor in good.items() if name not in names}
    copy("no_b", without(b))
    copy("no_a", without(q))
    copy("one_projection_less", without(a, b))
    copy("no_tensor", {})
    copy("wrong_shape", {**good, a: (dtype, (rank, columns // 2), data[: len(data) // 2])})
    copy("wrong_rank", r=rank + 1)
    copy("unknown_module", {**without(a), a.replace("experts", "specialists"): good[a]})
    copy("other_method", peft_type="IA3")
    copy("dora", use_dora=True)
    copy("zero_alpha", lora_alpha=0)
    put(copy("other_base") + "/hellora.json", {**ours, "model_hash": "0123456789abcdef"})
    put(copy("other_format") + "/hellora.json", {**ours, "format": "hellora.adapter/9"})
    os.remove(copy("no_config") + "/adapter_config.json")


def hostile_records():
    good, counts = json.load(open(plan)), json.load(open(profile))

    def layers(source, **changes):
        return {**source, "layers": [{**source["layers"][0], **changes}, *source["layers"][1:]]}

    plans = {
        "other_model": {**good, "model_hash": "0123456789abcdef"},
        "format": {**good, "format": "hellora.plan/9"},
        "no_layers": {key: value for key, value in good.items() if key != "layers"},
        "descending": {**good, "layers": good["layers"][::-1]},
        "layer": layers({**good, "layers": [good["layers"][1]]}, layer=7),
        "expert": layers(good, experts=[0, 1, 99], ranks=[None] * 3),
        "negative": layers(good, experts=[-1, 1, 2], ranks=[None] * 3),
        "twice": layers(good, experts=[1, 1, 2], ranks=[None] * 3),
        "ranks": layers(good, ranks=[None]),
        "zero_rank": layers(good, ranks=[0, 0, 0]),
        "ranked": layers(good, ranks=[3, 3, 3]),
    }
    first = counts["layers"][0]
    profiles = {
        "sums": layers(counts, counts=[first["counts"][0] + 1, *first["counts"][1:]]),
        "halves": layers(counts, counts_half=[first["counts"], first["counts"]]),
        "negative": layers(counts, counts=[-1, *first["counts"][1:]]),
        "lists": layers(counts, mass=[1.0]),
        "format": {**counts, "format": "hellora.profile/9"},
        "type": {**counts, "model": {"type": "unheard"}},
        "top_k": {**counts, "top_k": 0},
    }
    for kind, rows in (("plans", plans), ("profiles", profiles)):
        for name, content in rows.items():
            put(f"{out}/{kind}/{name}.json", content)


hostile_files()
hostile_models()
hostile_adapters()
hostile_records()
