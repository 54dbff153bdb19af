#!/usr/bin/env bash
# Every adapter method of the table by its defaults: it trains, its audit passes, a resume from each checkpoint gives the same bytes,
# every command takes its adapter, it merges, and it exports as plain LoRA where it is one. A new row is tried without a new line.
source tests/e2e/lib.sh
model=$scratch/model
tiny_model "$model" 3 --fp32
rows 1,24 >"$scratch/train.jsonl"
rows 60,64 >"$scratch/eval.jsonl"
rows 100,111 >"$scratch/forget.jsonl"
steps=4
settings=("model=$model" "data.train=$scratch/train.jsonl" "data.eval=$scratch/eval.jsonl" select.policy=hot select.mode=base select.k=3 select.fraction=0.3
  adapter.rank=4 train.lr=5e-3 train.micro_batch_tokens=512 train.max_steps=$steps train.save_steps=1 seed=5)
methods=$("$hellora" methods --json | python3 -c 'import json, sys; print(*[row["method"] for row in json.load(sys.stdin)["rows"] if row["result"] == "adapter"])')
[ -n "$methods" ] || { fail "the table of methods is empty"; finish; }
forgetting=" $("$hellora" methods --json | python3 -c 'import json, sys; print(*[row["method"] for row in json.load(sys.stdin)["rows"] if row["needs"] == "data.forget"])') "

# What a method needs beside the settings of all: `own`.
own_settings() {
  own=("adapter.method=$1")
  if [[ $forgetting == *" $1 "* ]]; then own+=("data.forget=$scratch/forget.jsonl"); fi
}

refuses() {  # pattern, arguments: exit code 2 and one line that matches
  local pattern=$1 status
  shift
  call "$@"
  status=$?
  check "refused ($pattern): exit code 2, seen $status" test $status -eq 2
  check "refused ($pattern): says so" grep -Eq -- "$pattern" "$scratch/err"
}

same_adapter() { same_files "$1/adapter" "$2/adapter" adapter_model.safetensors; }

# From a checkpoint of each step, phases of a method included.
resumed() {  # method, run
  local method=$1 run=$2 step other
  for ((step = 1; step < steps; ++step)); do
    other=$scratch/$method.from$step
    works "$method: resume from step $step" train --quiet "${settings[@]}" "${own[@]}" "output=$other" --resume "$run/checkpoint-00000$step"
    check "$method: the same bytes from step $step" same_adapter "$run" "$other"
  done
}

left_out() {  # method, run, format: exit code 2 and one line
  local method=$1
  refuses 'low-rank; merge it' export --model "$model" --adapter "$2/adapter" --format "$3" --out "$scratch/$method.$3"
  check "$method: nothing is written" test ! -e "$scratch/$method.$3"
}

for method in $methods; do
  run=$scratch/$method
  own_settings "$method"
  works "$method: trains" train --quiet "${settings[@]}" "${own[@]}" "output=$run"
  [ -f "$run/summary.json" ] || continue
  check "$method: the audit passed" python3 -c 'import json, sys
summary = json.load(open(sys.argv[1] + "/summary.json"))
assert summary["audit"] == "passed", summary["audit"]' "$run"
  resumed "$method" "$run"
  works "$method: count" count --model "$model" --method "$method" --rank 4 --k 3 --json
  check "$method: count and run agree" python3 -c 'import json, sys
counted, ran = json.load(open(sys.argv[1])), json.load(open(sys.argv[2] + "/summary.json"))
assert counted["trainable"] == ran["trainable"], (counted["trainable"], ran["trainable"])' "$scratch/out" "$run"
  works "$method: eval" eval --quiet --model "$model" --adapter "$run" --data "$scratch/eval.jsonl"
  works "$method: generate" generate --quiet --model "$model" --adapter "$run" --prompt "Two and two" --max-new-tokens 4
  works "$method: inspect" inspect "$run/adapter"
  works "$method: check" check --quiet --model "$model" --adapter "$run/adapter"
  works "$method: merge" merge --quiet --model "$model" --adapter "$run/adapter" --out "$scratch/$method.merged"
  works "$method: the merge is what the adapter says" check --quiet --model "$model" --adapter "$run/adapter" --merged "$scratch/$method.merged"
  "$hellora" eval --quiet --json --model "$model" --adapter "$run" --data "$scratch/eval.jsonl" >"$scratch/adapted.json"
  "$hellora" eval --quiet --json --model "$scratch/$method.merged" --data "$scratch/eval.jsonl" >"$scratch/merged.json"
  check "$method: the merge has the adapter's loss" python3 -c 'import json, sys
one, other = (json.load(open(path))["perplexity"]["loss"] for path in sys.argv[1:])
assert abs(one - other) < 1e-4, (one, other)' "$scratch/adapted.json" "$scratch/merged.json"
  for format in peft-full peft-fused; do
    case "$method" in dora | hira) left_out "$method" "$run" "$format"; continue ;; esac  # no low-rank change
    works "$method: export as $format" export --quiet --model "$model" --adapter "$run/adapter" --format "$format" --out "$scratch/$method.$format"
    works "$method: the export is what the adapter says" check --quiet --model "$model" --adapter "$run/adapter" --exported "$scratch/$method.$format"
  done
done
# Rows to forget: their order and their place in it are the run's own, a kill in the middle included.
unlearn=("${settings[@]}" adapter.method=gs_lora++ "data.forget=$scratch/forget.jsonl" adapter.gs_lora_pp.bound=12 adapter.gs_lora_pp.forget_weight=3 train.max_steps=10)
works "gs_lora++: trains under its other spelling" train "${unlearn[@]}" "output=$scratch/unlearned"
check "gs_lora++: says what was forgotten" grep -Eq '^forget: loss [0-9.]+ \([0-9.]+ before\)$' "$scratch/err"
check "gs_lora++: the summary and each step say it" python3 -c 'import json, sys
run = sys.argv[1]
forget = json.load(open(run + "/summary.json"))["forget"]
assert forget["loss_after"] > forget["loss_before"] > 0, forget
steps = [line for line in map(json.loads, open(run + "/metrics.jsonl")) if "loss" in line]
assert len(steps) == 10 and all(line["forget_loss"] > 0 and line["forget_drift"] >= 0 and line["groups"] > 0 for line in steps), steps' "$scratch/unlearned"
"$hellora" train --quiet "${unlearn[@]}" "output=$scratch/killed" >"$scratch/out" 2>&1 &
runner=$!
for _ in $(seq 400); do
  if [ -e "$scratch/killed/checkpoint-000003/DONE" ]; then break; fi
  sleep 0.05
done
kill -9 $runner
wait $runner 2>/dev/null
works "gs_lora++: goes on after kill -9" train --quiet --resume "$scratch/killed"
check "gs_lora++: with the bytes of an undisturbed run" same_adapter "$scratch/unlearned" "$scratch/killed"
# Ranks that SoRA has pruned leave an exported file.
works "sora: prunes" train --quiet "${settings[@]}" adapter.method=sora adapter.sora.threshold=0.6 "output=$scratch/pruned"
works "sora: exports what is left" export --quiet --model "$model" --adapter "$scratch/pruned" --format peft-full --out "$scratch/pruned.full"
check "sora: of four ranks fewer are left" python3 -c 'import json, sys
assert json.load(open(sys.argv[1]))["r"] < 4' "$scratch/pruned.full/adapter_config.json"
works "sora: the export is what the adapter says" check --quiet --model "$model" --adapter "$scratch/pruned/adapter" --exported "$scratch/pruned.full"
# What does not fit is one line, exit code 2, and nothing written.
spoiled() {  # pattern, method, Python that changes `it` (hellora.json) or `tensors` (name -> (dtype, shape, bytes))
  local folder=$scratch/spoiled
  rm -rf "$folder"
  cp -r "$scratch/$2/adapter" "$folder"
  python3 - "$folder" "$3" <<'CODE'
import json, sys
from lib_tensors import read, write
folder, change = sys.argv[1:]
it = json.load(open(folder + "/hellora.json"))
tensors = read(folder + "/adapter_model.safetensors")
exec(change)
json.dump(it, open(folder + "/hellora.json", "w"))
write(folder + "/adapter_model.safetensors", tensors)
CODE
  refuses "$1" check --quiet --model "$model" --adapter "$folder"
}
spoiled 'method "lorri" makes no adapter' lori 'it["method"] = "lorri"'
spoiled 'method "full" makes no adapter' lori 'it["method"] = "full"'
spoiled 'settings: lori.sparsity: .*0 to 0.9999' lori 'it["settings"]["lori.sparsity"] = "1.5"'
spoiled 'settings: .*"nothing"' lori 'it["settings"]["nothing"] = "1"'
spoiled 'what seed 6 makes has the hash' lori 'it["seed"] = 6'
spoiled 'lora_B.weight is missing' lori 'del tensors[next(name for name in tensors if "lora_B" in name)]'
spoiled "is none of vera's" vera 'tensors["base_model.model.more"] = next(iter(tensors.values()))'
spoiled 'has the wrong shape' vera 'it["settings"]["rank"] = "3"'
spoiled 'vera.d_initial' vera 'it["method"] = "dora"'
refuses 'adapter.method' train --quiet "${settings[@]}" adapter.method=vera "output=$scratch/never" --resume "$scratch/lori/checkpoint-000002"
refuses 'adapter.lori.sparsity' train --quiet "${settings[@]}" adapter.method=lori adapter.lori.sparsity=0.8 "output=$scratch/never" --resume "$scratch/lori/checkpoint-000002"
refuses 'stays as long as it was' train --quiet "${settings[@]}" adapter.method=lori train.max_steps=8 "output=$scratch/never" --resume "$scratch/lori/checkpoint-000002"
refuses 'singular values' train --quiet "${settings[@]}" adapter.method=pissa adapter.rank=4096 "output=$scratch/never2"
refuses 'has no dropout' train --quiet "${settings[@]}" adapter.method=allora adapter.dropout=0.1 "output=$scratch/never3"
refuses 'adapter.targets: embed' train --quiet "${settings[@]}" adapter.method=dora adapter.targets=embed "output=$scratch/never4"
refuses 'setting of another method' train --quiet "${settings[@]}" adapter.lori.sparsity=0.5 "output=$scratch/never5"
refuses 'data.forget: adapter.method gs_lora .*is empty' train --quiet "${settings[@]}" adapter.method=gs_lora "output=$scratch/never6"
refuses 'data.forget: adapter.method lora has no use' train --quiet "${settings[@]}" "data.forget=$scratch/forget.jsonl" "output=$scratch/never7"
refuses 'no-such' train --quiet "${settings[@]}" adapter.method=gs_lora "data.forget=$scratch/no-such.jsonl" "output=$scratch/never8"
: >"$scratch/empty.jsonl"
refuses 'empty.jsonl' train --quiet "${settings[@]}" adapter.method=gs_lora "data.forget=$scratch/empty.jsonl" "output=$scratch/never9"
refuses 'gs_lora.groups: .*block, member, matrix, expert' train --quiet "${settings[@]}" adapter.method=gs_lora "data.forget=$scratch/forget.jsonl" adapter.gs_lora.groups=layer "output=$scratch/never10"
refuses 'gs_lora.bound: .*0 to 1000' train --quiet "${settings[@]}" adapter.method=gs_lora "data.forget=$scratch/forget.jsonl" adapter.gs_lora.bound=-1 "output=$scratch/never11"
refuses 'data.forget' train --quiet "${settings[@]}" adapter.method=gs_lora "data.forget=$scratch/eval.jsonl" "output=$scratch/never12" --resume "$scratch/gs_lora/checkpoint-000002"
check "no refusal leaves a folder" test -z "$(find "$scratch" -maxdepth 1 -name 'never[6-9]' -o -maxdepth 1 -name 'never1[01]')"
check "no refusal wrote a run" test -z "$(find "$scratch" -maxdepth 2 -path "$scratch/never*" -name summary.json)"
finish
