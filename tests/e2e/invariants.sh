#!/usr/bin/env bash
# What adapters must not change: a fresh one nothing at all, hot experts that are all experts nothing against LoRA, and no
# adapter the experts and matrices that it does not name.
source tests/e2e/lib.sh
model=$scratch/model
train=$scratch/train.jsonl
settings=(--quiet "model=$model" "data.train=$train" select.mode=base adapter.rank=4 adapter.alpha=8 adapter.dropout=0.1
  train.micro_batch_tokens=512)

trained() {  # name, settings: a short run in $scratch/name
  local name=$1
  shift
  need train "${settings[@]}" "output=$scratch/$name" "$@"
}

forward() {  # name, options: logits, routing and loss in $scratch/name.safetensors
  local name=$1
  shift
  need forward --quiet --model "$model" --ids "$scratch/ids.json" --out "$scratch/$name.safetensors" "$@"
}

same_tensors() { python3 tests/e2e/lib_tensors.py "$@"; }

# As training begins: A is drawn, B is zero. A run that trains nothing is refused, so that B is put back.
fresh_adapter() {
  trained fresh train.lr=1e-2 train.max_steps=2 select.policy=hot select.k=3
  trained moved train.lr=1e-2 train.max_steps=2 select.policy=hot select.k=3
  check "the fresh adapter has A but no B" python3 - "$scratch/fresh/adapter/adapter_model.safetensors" <<'PY'
import sys
from lib_tensors import read, write, is_zero
tensors = {name: (kind, shape, bytes(len(data)) if "lora_B" in name else data) for name, (kind, shape, data) in read(sys.argv[1]).items()}
write(sys.argv[1], tensors)
for name, tensor in read(sys.argv[1]).items():
    assert is_zero(tensor) == ("lora_B" in name), name
PY
  forward base
  forward fresh --adapter "$scratch/fresh/adapter"
  forward moved --adapter "$scratch/moved/adapter"
  check "a fresh adapter: logits, routing and loss bit for bit" same_tensors "$scratch/base.safetensors" "$scratch/fresh.safetensors"
  differs "a trained adapter: other logits" same_tensors "$scratch/base.safetensors" "$scratch/moved.safetensors" logits
  need merge --quiet --model "$model" --adapter "$scratch/fresh/adapter" --out "$scratch/fresh_merge"
  check "a fresh adapter: merging gives the base" same_tensors "$model" "$scratch/fresh_merge"
}

hot_is_all() {
  trained hot select.policy=hot select.k=8 train.max_steps=3
  trained all select.policy=all train.max_steps=3
  trained hot_again select.policy=hot select.k=8 select.mode=warmup train.max_steps=3
  check "hot = all experts: LoRA bit for bit" same_files "$scratch/all" "$scratch/hot" adapter/adapter_model.safetensors
  check "hot = all experts: the same with a warm-up" same_files "$scratch/all" "$scratch/hot_again" adapter/adapter_model.safetensors
  check "hot = all experts: the same losses" diff <(metrics "$scratch/all") <(metrics "$scratch/hot")
  trained seven select.policy=hot select.k=7 train.max_steps=3
  differs "seven of eight experts: other losses" diff <(metrics "$scratch/all") <(metrics "$scratch/seven")
}

# Exactly the planned experts are in the adapter; everything else in a merge is the base's, byte for byte.
cold_untouched() {
  need merge --quiet --model "$model" --adapter "$scratch/moved/adapter" --out "$scratch/merge"
  check "cold experts: not in the adapter, not changed by a merge" python3 - "$scratch" <<'PY'
import json, re, sys
from lib_tensors import read
root = sys.argv[1]
adapter, base, merge = (read(f"{root}/{name}") for name in ("moved/adapter", "model", "merge"))
expert = re.compile(r"layers\.(\d+)\.mlp\.experts\.(\d+)\.")
plan = {(l["layer"], e) for l in json.load(open(f"{root}/moved/plan.json"))["layers"] for e in l["experts"]}
assert len(plan) == 6, plan
found = {tuple(map(int, m.groups())) for m in map(expert.search, adapter) if m}
assert found == plan, (found, plan)
adapted = {re.sub(r"^base_model\.model\.|\.lora_[AB]\.weight$", "", name) + ".weight" for name in adapter}
assert adapted < base.keys() == merge.keys(), adapted - base.keys()
for name, tensor in base.items():
    assert (merge[name] == tensor) == (name not in adapted), name
PY
}

# The same promise for trained weights: only the targets of the planned experts move.
full_untouched() {
  trained full adapter.method=full "adapter.targets=gate up down" select.policy=hot select.k=3 train.lr=1e-2 train.max_steps=2
  check "method full: only planned experts change" python3 - "$scratch" <<'PY'
import json, re, sys
from lib_tensors import read
root = sys.argv[1]
base, after = read(f"{root}/model"), read(f"{root}/full/model")
plan = {f"layers.{l['layer']}.mlp.experts.{e}." for l in json.load(open(f"{root}/full/plan.json"))["layers"] for e in l["experts"]}
assert base.keys() == after.keys()
changed = {name for name in base if base[name] != after[name]}
assert len(changed) == 3 * len(plan) == 18, changed
assert all(any(place in name for place in plan) for name in changed), changed
PY
}

rows 1,24 >"$train"
echo '{"input_ids": [[5, 6, 7, 8, 100, 2047, 3, 0], [9, 10, 11, 12, 13, 14, 15, 16]]}' >"$scratch/ids.json"
tiny_model "$model" 1
before=$(sha256sum "$model"/* "$train")
fresh_adapter
hot_is_all
cold_untouched
full_untouched
check "model and data: not touched" test "$before" = "$(sha256sum "$model"/* "$train")"
finish
