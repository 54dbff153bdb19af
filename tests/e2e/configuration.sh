#!/usr/bin/env bash
# What a person meets before a run: help, the keys and their names in other tools, a checked file, the table for deciding k,
# ranks by heat from plan to export, names of the hub, and lines typed into `chat`.
source tests/e2e/lib.sh

refuses() {  # pattern, arguments: exit code 2 and one line that matches
  local pattern=$1 status
  shift
  call "$@"
  status=$?
  check "refused ($pattern): exit code 2, seen $status" test $status -eq 2
  check "refused ($pattern): says so" grep -Eq -- "$pattern" "$scratch/err"
}

seen() {  # name, condition on the JSON on stdout
  check "$1" python3 -c 'import json, sys
it = json.load(open(sys.argv[1]))
assert eval(sys.argv[2]), json.dumps(it)[:600]' "$scratch/out" "$2"
}

narrow() { check "$1: at most 100 columns" python3 -c 'import sys
long = [line for line in open(sys.argv[1]) if len(line.rstrip("\n")) > 100 and not line.startswith("  hellora ")]
assert not long, long[:2]' "$scratch/out"; }

# Help.
call
check "no arguments: exit code 2" test $? -eq 2
check "no arguments: usage" grep -q "^Usage: hellora COMMAND" "$scratch/err"
works "help" help
check "help: usage on standard output" grep -q "^Usage: hellora COMMAND" "$scratch/out"
works "help of a command" help train
cp "$scratch/out" "$scratch/train.help"
works "--help of a command" train --help
check "both are the same" cmp "$scratch/out" "$scratch/train.help"
check "help has examples" grep -q "^Examples:" "$scratch/out"
refuses 'unknown command "trian"; the nearest known one is train' help trian
for command in run profile select train config eval generate chat count init bench; do
  works "help $command" help $command
  narrow "help $command"
  check "help $command: no noise" bash -c "! grep -q 9223372036854775807 $scratch/out"
done
for table in methods archs policies tasks; do
  works "$table" $table
  narrow $table
done
works "keys" config
narrow "config"

# Keys and checked files.
works "a key" config train.lr
check "a key: default" grep -q "4e-04" "$scratch/out"
check "a key: other names" grep -q "learning_rate" "$scratch/out"
works "a key by another name" config learning_rate
check "another name: the key" grep -q "^train.lr" "$scratch/out"
works "a name without effect" config report_to
check "a name without effect: why" grep -q "metrics.jsonl" "$scratch/out"
works "keys as JSON" config --json --recipe hellora
seen "keys as JSON" 'len(it["keys"]) > 30 and next(k for k in it["keys"] if k["key"] == "adapter.dropout")["default"] == "0.05"'
refuses 'unknown key "train.lrr".*train.lr' config train.lrr
works "the manual's table" config --markdown
check "the manual holds it" python3 -c 'import sys
assert open(sys.argv[1]).read() in open("docs/configuration.md").read()' "$scratch/out"

sed -n 1,9p data/gsm8k/train.jsonl >"$scratch/d.jsonl"
cat >"$scratch/peer.yaml" <<YAML
base_model: $base
datasets:
  - path: $scratch/d.jsonl
    type: chat_template
adapter: lora
lora_r: 4
lora_alpha: 8
lora_target_modules: [q_proj, gate_proj, up_proj, down_proj]
sequence_len: 256
micro_batch_size: 2
num_epochs: 1
learning_rate: 2e-3
lr_scheduler: cosine
warmup_steps: 1
max_steps: 2
optimizer: adamw_torch
bf16: auto
tf32: false
load_in_4bit: false
flash_attention: true
wandb_project:
val_set_size: 0
output_dir: $scratch/peer
select: {mode: base, k: 4}
YAML
works "another tool's file" config --json --check "$scratch/peer.yaml" lora_dropout=0.1
seen "another tool's file: what it comes to" 'it["config"]["adapter.targets"] == ["q", "gate", "up", "down"] and it["config"]["train.micro_batch_tokens"] == "512" and it["config"]["adapter.dropout"] == "0.1" and it["config"]["train.warmup_ratio"] == "0.5"'
works "another tool's file trains" train --quiet "$scratch/peer.yaml"
check "it trained" test -s "$scratch/peer/adapter/adapter_model.safetensors"
printf 'model: %s\ndata: {train: %s}\ntrain: {learning_rate: 1e-3}\nlr: 1e-4\n' "$base" "$scratch/d.jsonl" >"$scratch/two.yaml"
refuses 'two.yaml:4: lr sets train.lr to 1e-04, but train.learning_rate' config --check "$scratch/two.yaml"
printf 'model: null\noutput: ~\ntrain: {lr: null}\n' >"$scratch/null.yaml"
works "null is the default" config --json --check "$scratch/null.yaml"
seen "null is the default" 'it["given"] == [] and it["config"]["train.lr"] == "4e-04"'
printf 'a: &x {lr: 1}\ntrain:\n  <<: *x\n' >"$scratch/merge.yaml"
refuses 'merge.yaml:3: merge keys' config --check "$scratch/merge.yaml"
printf 'model: %s\nadapter: {targets: [qq]}\n' "$base" >"$scratch/target.yaml"
refuses 'unknown target "qq"' config --check "$scratch/target.yaml"
refuses 'settings are written without dashes: train.lr=1e-3' train --learning_rate=1e-3
refuses 'there is no folder allenai/OLMoE-1B-7B-0924.*hf download' eval --model allenai/OLMoE-1B-7B-0924 --data "$scratch/d.jsonl"
refuses 'data sets of the hub are not downloaded' train "model=$base" data.train=tatsu-lab/alpaca "output=$scratch/no"

# The hub's cache.
mkdir -p "$scratch/hf/hub/models--org--tiny/snapshots" "$scratch/hf/hub/models--org--tiny/refs"
cp -r "$base" "$scratch/hf/hub/models--org--tiny/snapshots/abc"
printf abc >"$scratch/hf/hub/models--org--tiny/refs/main"
check "a hub name from the cache" env HF_HOME="$scratch/hf" "$hellora" count --quiet --model org/tiny
works "a folder of the cache" count --model "$scratch/hf/hub/models--org--tiny"

# Deciding k.
works "profile" profile --quiet --model "$base" --data "$scratch/d.jsonl" --mode base --fraction 1 --out "$scratch/profile.json"
cp "$scratch/profile.json" "$scratch/profile.before"
works "the table for k" select --profile "$scratch/profile.json" --model "$base"
for part in "a quarter: suggested" "all tokens" "label tokens" "what it costs" "##"; do check "the table for k: $part" grep -q "$part" "$scratch/out"; done
works "the table as JSON" select --json --profile "$scratch/profile.json" --model "$base" --rank 4
seen "the table as JSON" '[t["tokens_counted"] for t in it["tables"]] == ["all", "label"] and it["tables"][0]["rows"][-1]["coverage"] > 0.999 and it["tables"][0]["rows"][0]["trainable"] < it["tables"][0]["rows"][-1]["trainable"]'
refuses 'is the profile itself' select --profile "$scratch/profile.json" --out "$scratch/profile.json" --force
check "the profile is as it was" cmp "$scratch/profile.json" "$scratch/profile.before"
ln "$scratch/profile.json" "$scratch/profile.link"
refuses 'is the profile itself' select --profile "$scratch/profile.json" --out "$scratch/profile.link" --force
works "a plan" select --quiet --profile "$scratch/profile.json" --k 3 --out "$scratch/plan.json"
refuses 'exists; --force writes over it' select --profile "$scratch/profile.json" --k 4 --out "$scratch/plan.json"
works "a plan over another" select --quiet --profile "$scratch/profile.json" --k 3 --rank 4 --rank-by coverage --out "$scratch/plan.json" --force

# Ranks by heat: shared exactly, counted, trained, checked, exported.
check "the ranks of a layer sum to 3 x 4" python3 -c 'import json, sys
plan = json.load(open(sys.argv[1]))
assert plan["base_rank"] == 4 and all(sum(layer["ranks"]) == 12 and min(layer["ranks"]) >= 1 for layer in plan["layers"]), plan
assert any(len(set(layer["ranks"])) > 1 for layer in plan["layers"]), "all ranks are the same"' "$scratch/plan.json"
works "count of a plan" count --json --model "$base" --plan "$scratch/plan.json" --rank 4
cp "$scratch/out" "$scratch/by_plan"
works "count of as many" count --json --model "$base" --k 3 --rank 4
check "a shared budget is as many parameters" python3 -c 'import json, sys
a, b = (json.load(open(name)) for name in sys.argv[1:])
assert a["trainable"] == b["trainable"], (a, b)' "$scratch/by_plan" "$scratch/out"
heat=("model=$base" "data.train=$scratch/d.jsonl" train.max_steps=2 adapter.rank=4 adapter.alpha=8 select.mode=base select.k=3)
works "training by the plan" train --quiet --json "${heat[@]}" "select.plan=$scratch/plan.json" "output=$scratch/heat"
cp "$scratch/out" "$scratch/trained"
check "as many as counted" python3 -c 'import json, sys
a, b = (json.load(open(name)) for name in sys.argv[1:])
assert a["trainable"] == b["trainable"], (a, b)' "$scratch/by_plan" "$scratch/trained"
check "ranks and alphas lie in the adapter, with one scale" python3 -c 'import json, sys
config = json.load(open(sys.argv[1]))
ranks, alphas = config["rank_pattern"], config["alpha_pattern"]
experts = [name for name in {*ranks, *alphas} if ".experts." in name]
assert experts, config
for name in experts: assert abs(alphas.get(name, config["lora_alpha"]) / ranks.get(name, config["r"]) - 2) < 1e-12, name' "$scratch/heat/adapter/adapter_config.json"
works "it checks" check --quiet --model "$base" --adapter "$scratch/heat/adapter"
works "it merges" merge --quiet --model "$base" --adapter "$scratch/heat/adapter" --out "$scratch/merged"
for format in peft-full peft-fused; do
  works "it exports as $format" export --quiet --model "$base" --adapter "$scratch/heat/adapter" --format $format --out "$scratch/$format"
done
works "a run by heat" train --quiet "${heat[@]}" select.rank_by=coverage "output=$scratch/heat2"
check "its plan shares ranks" grep -q '"base_rank": 4' "$scratch/heat2/plan.json"
refuses 'share a budget of 4 per expert but adapter.rank is 8' train "${heat[@]}" adapter.rank=8 "select.plan=$scratch/plan.json" "output=$scratch/no"

# Lines of `chat`.
talk=(chat --model "$base" --adapter "$scratch/heat/adapter" --chat-template chatml --max-new-tokens 4)
printf 'Hi\r\n\r\n   \r\n/system Be kind.\r\nAgain\r\n/exit\r\nNever\r\n' | "$hellora" "${talk[@]}" --json >"$scratch/out" 2>"$scratch/err"
seen "CRLF: two turns, no empty one, /exit ends" '[m["content"] for m in it["messages"] if m["role"] == "user"] == ["Hi", "Again"] and it["messages"][0]["content"] == "Be kind."'
check "a terminal edits and remembers lines" python3 tests/e2e/type_lines.py "$hellora" "${talk[@]}" --temperature 0
finish
