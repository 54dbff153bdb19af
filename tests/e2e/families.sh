#!/usr/bin/env bash
# Every preset's family, shrunk, through the whole path: init, profile, select, train, audit, resume, merge, check, exports, generate.
source tests/e2e/lib.sh
train=$scratch/train.jsonl
rows 1,24 >"$train"

presets() { "$hellora" archs --json | python3 -c 'import json, sys
print(*(row["name"] for row in json.load(sys.stdin)["rows"] if row["kind"] == "preset"))'; }

dense() { [[ $1 == llama* || $1 == mistral-7b ]]; }

audited() {  # run: every adapted module is judged, none failed
  python3 - "$1" <<'PY'
import json, sys
audit = json.load(open(sys.argv[1] + "/audit.json"))
assert audit["verdict"] == "passed" and audit["frozen_unchanged"], audit["failures"]
judged = [site for site in audit["sites"] if site["rows_reaching_loss"] >= 16]
assert judged and all(site["grad_norm"] > 0 and site["changed"] > 0 for site in judged), "a module without gradient"
targets = {site["target"] for site in audit["sites"]}
print(sorted(targets))
PY
}

exported() {  # model, adapter, folder, format
  works "$4" export --quiet --model "$1" --adapter "$2" --format "$4" --out "$3"
  works "$4: check" check --quiet --model "$1" --adapter "$2" --exported "$3"
}

through() {  # preset
  local name=$1 model=$scratch/$1 run=$scratch/$1.run
  need init --arch "$name" --tiny --fp32 --deviation 0.1 --seed 3 --quiet --out "$model"
  cp "$base/tokenizer.json" "$base/tokenizer_config.json" "$model/"
  if ! dense "$name"; then
    works "$name: profile" profile --quiet --model "$model" --data "$train" --mode base --fraction 1 --out "$scratch/$name.profile.json"
    works "$name: select" select --quiet --profile "$scratch/$name.profile.json" --out "$scratch/$name.plan.json"
  fi
  works "$name: train" train --quiet "model=$model" "data.train=$train" "output=$run" compute.weights=fp32 adapter.rank=4 \
    adapter.dropout=0.05 select.mode=base select.fraction=1 train.lr=1e-2 train.max_steps=4 train.save_steps=2 train.micro_batch_tokens=1024
  check "$name: audit" audited "$run"
  cp -r "$run" "$run.again" && rm -rf "$run.again/checkpoint-000004" "$run.again/adapter"
  works "$name: resume" train --quiet --resume "$run.again" "output=$run.again"
  check "$name: a resumed run has the same adapter" cmp "$run/adapter/adapter_model.safetensors" "$run.again/adapter/adapter_model.safetensors"
  works "$name: merge" merge --quiet --model "$model" --adapter "$run/adapter" --dtype fp32 --out "$run.merged"
  works "$name: check --merged" check --quiet --model "$model" --adapter "$run/adapter" --merged "$run.merged"
  exported "$model" "$run/adapter" "$run.full" peft-full
  if [[ $name == deepseek-moe* ]]; then
    call export --quiet --model "$model" --adapter "$run/adapter" --format peft-fused --out "$run.fused"
    check "$name: no fused layout: exit 2" test $? -eq 2
    check "$name: and it says so" grep -q "no layout with fused experts" "$scratch/err"
  else
    exported "$model" "$run/adapter" "$run.fused" peft-fused
  fi
  works "$name: generate" generate --quiet --model "$model" --adapter "$run/adapter" --prompt "What is 2 + 2?" --max-new-tokens 8
}

for preset in $(presets); do through "$preset"; done

# A dense model has nothing to profile.
call profile --quiet --model "$scratch/llama-3-8b" --data "$train" --out "$scratch/none.json"
check "profile of a dense model: exit 2" test $? -eq 2
check "profile of a dense model says why" grep -q "has no experts to profile" "$scratch/err"
finish
