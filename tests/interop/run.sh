#!/usr/bin/env bash
# Other tools read what hellora writes, and the other way round: transformers 4 and 5, PEFT, TensorBoard, tokenizers.
# Run from the root of the repository with HELLORA=path of the program; the last line is "N passed, N failed".
# Makes .venv-interop-v4 and .venv-interop-v5 from requirements-*.txt where they are not complete; files go to build/interop.
set -u
: "${HELLORA:?the path of the program}"
here=tests/interop work=build/interop golden=tests/golden/fixtures/olmoe/base
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_PROGRESS_BARS=1 TOKENIZERS_PARALLELISM=false PYTHONDONTWRITEBYTECODE=1
export OMP_NUM_THREADS=1  # models this small only wait for each other's threads
passed=0 failed=0

finish() {
  echo "$passed passed, $failed failed"
  [ $failed -eq 0 ] && [ $passed -gt 0 ]
  exit
}

say() {  # ok or FAILED, name, note
  if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  printf '%-6s  %-46s  %s\n' "$1" "$2" "$(cut -c 1-130 <<<"$3")"
}

# The command ends with status 0; the note is the last line that it printed.
check() {
  local name=$1 out
  shift
  if out=$("$@" 2>&1 </dev/null); then
    say ok "$name" "$(tail -n 1 <<<"$out")"
  else
    say FAILED "$name" ""
    tail -n 15 <<<"$out" | sed 's/^/  | /'
    return 1
  fi
}

# The command ends with the given status and says something that matches.
refuses() {
  local name=$1 status=$2 pattern=$3 out got
  shift 3
  out=$("$@" 2>&1 </dev/null)
  got=$?
  if [ $got -eq "$status" ] && grep -Eq "$pattern" <<<"$out"; then
    say ok "$name" "$(tail -n 1 <<<"$out")"
  else
    say FAILED "$name" "status $got, expected $status and \"$pattern\""
    tail -n 15 <<<"$out" | sed 's/^/  | /'
    return 1
  fi
}

python_of() { printf '%s/.venv-interop-%s/bin/python' "$PWD" "$1"; }
python4() { "$(python_of v4)" "$@"; }
python5() { "$(python_of v5)" "$@"; }
compare() { python5 $here/compare.py "$@"; }

# The torch wheel is large and, from some indexes, a CUDA build: where the build's own torch is the pinned release and this
# Python can import it, a .pth file shows it to the environment, behind the environment's own packages. Otherwise pip gets it.
link_torch() {  # environment
  local torch link
  torch=$(bash scripts/setup.sh --torch)
  link=$(echo "$1"/lib/python3*/site-packages)/torch_of_the_build.pth
  [ -n "$torch" ] || return 0
  (cd "$torch/.." && pwd) >"$link"
  [ "$("$1/bin/python" -c 'import torch; print(torch.__version__.split("+")[0])' 2>/dev/null)" = "$(sed -n 's/^torch==//p' $here/requirements-v4.txt)" ] ||
    rm -f "$link"
}

make_environment() {  # v4 or v5
  local folder=.venv-interop-$1 wanted=$here/requirements-$1.txt log=$work/pip-$1.log index=()
  # The copy of the requirements is written last: it says that the environment is complete.
  if cmp -s "$wanted" "$folder/complete" && "$folder/bin/python" -c 'import torch' 2>/dev/null; then
    say ok "environment $1" "there already"
    return
  fi
  [ -z "${HELLORA_TORCH_INDEX:-}" ] || index=(--extra-index-url "$HELLORA_TORCH_INDEX")
  if python3 -m venv --clear "$folder" >"$log" 2>&1 && link_torch "$folder" &&
    "$folder/bin/pip" install ${index[@]+"${index[@]}"} -r "$wanted" >>"$log" 2>&1 && "$folder/bin/pip" check >>"$log" 2>&1; then
    cp "$wanted" "$folder/complete"
    say ok "environment $1" "$(tr '\n' ' ' <"$wanted")"
  else
    say FAILED "environment $1" "cannot be made; the end of $log:"
    tail -n 15 "$log" | sed 's/^/  | /'
    finish
  fi
}

# --- what hellora writes -------------------------------------------------------------------------------------------------

# Random ids below both vocabularies (97 and 2,048); the same for every model.
write_ids() {
  python3 -c 'import json, random
r = random.Random(7)
print(json.dumps({"input_ids": [[r.randrange(2, 97) for _ in range(16)] for _ in range(3)]}))' >$work/ids.json
}

make_model() {
  mkdir $work/tiny && cp models/tiny-olmoe/tokenizer*.json $work/tiny &&
    "$HELLORA" init --config models/tiny-olmoe/config.json --tiny --fp32 --deviation 0.2 --seed 11 --out $work/tiny
}

# A few steps at a high rate: B is far from zero afterwards.
train() {  # run, then settings
  local run=$1
  shift
  "$HELLORA" train model=$work/tiny data.train=$work/train.jsonl compute.weights=fp32 train.lr=2e-2 train.schedule=linear train.max_steps=6 \
    train.micro_batch_tokens=512 output=$work/"$run" "$@"
}

train_adapters() {
  head -n 24 data/gsm8k/train.jsonl >$work/train.jsonl
  head -n 4 data/gsm8k/test.jsonl >$work/eval.jsonl
  check "train: hot experts" train hot recipe=hellora select.k=3 adapter.rank=4 adapter.alpha=8 adapter.dropout=0 \
    data.eval=$work/eval.jsonl train.eval_steps=2 train.save_steps=3 || finish
  check "TensorBoard reads a run" compare events $work/hot
  check "train: resumed at step 3" "$HELLORA" train --resume $work/hot/checkpoint-000003
  check "TensorBoard reads a resumed run" compare events $work/hot
  cat >$work/plan.json <<'PLAN'
{"format": "hellora.plan/1", "policy": "given", "layers": [
  {"layer": 0, "experts": [1, 4, 6], "ranks": [2, null, 6]}, {"layer": 1, "experts": [0], "ranks": [3]}]}
PLAN
  # Two experts of rank 128 have as many rows as all eight of adapter.rank's default, 32.
  cat >$work/plan_wide.json <<'PLAN'
{"format": "hellora.plan/1", "policy": "given", "layers": [
  {"layer": 0, "experts": [1, 4], "ranks": [128, 128]}, {"layer": 1, "experts": [0, 7], "ranks": [128, 128]}]}
PLAN
  check "train: experts of different rank" train ranks select.plan=$work/plan.json adapter.alpha=16 "adapter.targets=q v router gate up down lm_head"
  check "train: gate and up only" train gate_up recipe=hellora select.k=2 adapter.rank=4 adapter.dropout=0 "adapter.targets=o gate up"
  check "train: down only, dropout" train down recipe=hellora select.k=2 adapter.rank=4 adapter.dropout=0.05 "adapter.targets=k down"
  check "train: up only, dropout" train up recipe=hellora select.k=2 adapter.rank=4 adapter.dropout=0.05 "adapter.targets=up"
  check "train: attention only" train attention adapter.rank=4 select.policy=all "adapter.targets=q k v o"
  check "train: few experts of a high rank" train wide select.plan=$work/plan_wide.json "adapter.targets=gate up down"
  check "PEFT makes an adapter (transformers 4)" python4 $here/make_adapter.py --model $golden --out $work/elsewhere --seed 5
}

# Methods whose native folder PEFT reads as a type of its own, or as a LoRA of another kind.
methods="dora vera adalora randlora hira"

train_methods() {
  local method plan=select.plan=$work/plan_methods.json
  cat >$work/plan_methods.json <<'PLAN'
{"format": "hellora.plan/1", "policy": "given", "layers": [
  {"layer": 0, "experts": [1, 4, 6], "ranks": [null, null, null]}, {"layer": 1, "experts": [0, 5], "ranks": [null, null]}]}
PLAN
  for method in $methods; do
    check "train: $method" train "$method" $plan adapter.method="$method" adapter.rank=4 adapter.alpha=8 \
      "adapter.targets=q k v o router gate up down lm_head"
    # What is left of it on transformers 5 is attention, which PEFT could take alone.
    check "train: $method, no router" train "$method.no_router" $plan adapter.method="$method" adapter.rank=4 "adapter.targets=q k v o gate up down"
    check "train: $method, attention only" train "$method.attention" select.policy=all adapter.method="$method" adapter.rank=4 "adapter.targets=q k v o"
  done
  check "train: dora, experts of different rank" train dora.ranks select.plan=$work/plan.json adapter.method=dora adapter.alpha=16 "adapter.targets=q gate up down"
  check "train: hira, experts of different rank" train hira.ranks select.plan=$work/plan.json adapter.method=hira "adapter.targets=q gate up down"
  check "train: adalora, experts of different rank" train adalora.ranks select.plan=$work/plan.json adapter.method=adalora "adapter.targets=gate up down"
  check "train: randlora, the paper's pairing" train randlora.paper $plan adapter.method=randlora adapter.randlora.pairing=paper adapter.rank=4 "adapter.targets=gate up down"
}

# Cases: name, model, adapter, exports.
cases="hot       $work/tiny  $work/hot/adapter        peft-full peft-fused
ranks     $work/tiny  $work/ranks/adapter      peft-full peft-fused
gate_up   $work/tiny  $work/gate_up/adapter    peft-full peft-fused
down      $work/tiny  $work/down/adapter       peft-full peft-fused
up        $work/tiny  $work/up/adapter         peft-full peft-fused
attention $work/tiny  $work/attention/adapter  peft-full peft-fused
elsewhere $golden     $work/elsewhere          peft-full peft-fused
patterns  $golden     $golden/lora_patterns    peft-full peft-fused
embedding $golden     $golden/lora_embed       peft-full"
# One per family that transformers has, with the adapter that PEFT wrote: shared experts, dense layers and all.
families="mixtral qwen2_moe qwen3_moe deepseek_v2 llama mistral"
for family in $families; do
  case $family in llama | mistral) exports=peft-full ;; *) exports="peft-full peft-fused" ;; esac
  cases+=$'\n'"$family tests/golden/fixtures/$family/base tests/golden/fixtures/$family/base/lora $exports"
done
base_of() {  # case, model: the name of the base's logits
  case $2 in $golden) echo golden ;; $work/tiny) echo tiny ;; *) echo "$1.base" ;; esac
}

jobs4=() jobs5=()
job() {  # v4 or v5, output without its ending, model, adapter or nothing, plain, auto or nothing
  local text plain=false auto=false adapter=null
  [ -z "${4:-}" ] || adapter="\"$4\""
  [ "${5:-}" != plain ] || plain=true
  [ "${5:-}" != auto ] || auto=true
  text="{\"model\": \"$3\", \"adapter\": $adapter, \"ids\": \"$work/ids.json\", \"out\": \"$2.safetensors\", \"plain\": $plain, \"auto\": $auto}"
  if [ "$1" = v4 ]; then jobs4+=("$text"); else jobs5+=("$text"); fi
}

forward() { "$HELLORA" forward --ids $work/ids.json "$@"; }

write_base() {  # name, model, transformers versions
  local version
  check "$1: hellora forward" forward --model "$2" --out $work/"$1".safetensors
  for version in $3; do job "$version" $work/"$1.$version" "$2"; done
}

write_case() {  # name, model, adapter, exports
  local name=$1 model=$2 adapter=$3 format out=$work/$1
  shift 3
  check "$name: hellora forward" forward --model "$model" --adapter "$adapter" --out "$out.safetensors"
  check "$name: hellora check" "$HELLORA" check --model "$model" --adapter "$adapter"
  check "$name: merge" "$HELLORA" merge --model "$model" --adapter "$adapter" --dtype fp32 --out "$out.merged"
  check "$name: check --merged" "$HELLORA" check --model "$model" --adapter "$adapter" --merged "$out.merged"
  job v4 "$out.merged.v4" "$out.merged"
  job v5 "$out.merged.v5" "$out.merged"
  job v4 "$out.native.v4" "$model" "$adapter"
  job v5 "$out.native.v5" "$model" "$adapter" plain
  for format in "$@"; do
    check "$name: export $format" "$HELLORA" export --model "$model" --adapter "$adapter" --format "$format" --out "$out.$format"
    check "$name: check --exported $format" "$HELLORA" check --model "$model" --adapter "$adapter" --exported "$out.$format"
    job v5 "$out.$format.v5" "$model" "$out.$format"
    [ "$format" != peft-full ] || job v4 "$out.$format.v4" "$model" "$out.$format"
  done
}

write_methods() {
  local method
  for method in $methods dora.ranks; do
    check "$method: hellora forward" forward --model $work/tiny --adapter $work/"$method"/adapter --out $work/"$method".safetensors
    job v4 $work/"$method".native.v4 $work/tiny $work/"$method"/adapter
  done
  for method in $methods; do
    check "$method: hellora forward, attention only" forward --model $work/tiny --adapter $work/"$method.attention"/adapter --out $work/"$method.attention".safetensors
    job v5 $work/"$method".native.v5 $work/tiny $work/"$method"/adapter plain
    job v5 $work/"$method".no_router.v5 $work/tiny $work/"$method.no_router"/adapter plain
    job v5 $work/"$method".attention.v5 $work/tiny $work/"$method.attention"/adapter
  done
  for method in adalora.ranks hira.ranks randlora.paper; do job v4 $work/$method.v4 $work/tiny $work/$method/adapter plain; done
}

compare_methods() {
  local method
  for method in $methods dora.ranks; do
    check "$method: the adapter matters" compare effect $work/tiny.safetensors $work/"$method".safetensors
    check "$method: native, PEFT on v4" compare logits $work/"$method".safetensors $work/"$method".native.v4.safetensors
  done
  for method in $methods; do
    check "$method: native, PEFT on v5 refuses" compare refused $work/"$method".native.v5.safetensors 'is not supported'
    check "$method: no router, PEFT on v5 refuses" compare refused $work/"$method".no_router.v5.safetensors 'is not supported'
    check "$method: attention only, PEFT on v5" compare logits $work/"$method".attention.safetensors $work/"$method".attention.v5.safetensors
  done
  for method in adalora.ranks hira.ranks randlora.paper; do
    check "$method: PEFT refuses" compare refused $work/$method.v4.safetensors "Can.t find .adapter_config.json"
  done
}

# Exports and the native folder name their base: PEFT finds it without being told.
write_auto() {
  job v5 $work/auto.peft-fused.v5 $work/tiny $work/hot.peft-fused auto
  job v5 $work/auto.peft-full.v5 $work/tiny $work/hot.peft-full auto
  job v4 $work/auto.peft-full.v4 $work/tiny $work/hot.peft-full auto
  job v4 $work/auto.native.v4 $work/tiny $work/hot/adapter auto
}

compare_auto() {
  local name
  for name in peft-fused.v5 peft-full.v5 peft-full.v4 native.v4; do
    check "AutoPeftModelForCausalLM: $name" compare logits $work/hot.safetensors $work/auto.$name.safetensors
  done
}

# A merge keeps the layout of its base: here one tensor for all experts of a layer, which transformers 5 reads.
write_fused_merge() {
  check "fused: merge" "$HELLORA" merge --model $golden/fused --adapter $golden/lora_patterns --out $work/fused.merged
  job v5 $work/fused.merged.v5 $work/fused.merged
}

# --- what the others make of it ------------------------------------------------------------------------------------------

compare_base() {  # name, transformers versions
  local version
  for version in $2; do check "$1: transformers $version" compare logits $work/"$1".safetensors $work/"$1.$version".safetensors; done
}

compare_case() {  # name, base, exports
  local out=$work/$1 name=$1 format base=$2
  shift 2
  check "$name: the adapter matters" compare effect "$work/$base.safetensors" "$out.safetensors"
  check "$name: merge, transformers v4" compare logits "$out.safetensors" "$out.merged.v4.safetensors"
  check "$name: merge, transformers v5" compare logits "$out.safetensors" "$out.merged.v5.safetensors"
  check "$name: native, PEFT on v4" compare logits "$out.safetensors" "$out.native.v4.safetensors"
  # Without experts the native folder is a plain PEFT adapter for every version.
  case $name in
    attention | embedding | llama | mistral) check "$name: native, PEFT on v5" compare logits "$out.safetensors" "$out.native.v5.safetensors" ;;
    *) check "$name: native, PEFT on v5 refuses" compare refused "$out.native.v5.safetensors" 'size mismatch|equal size|does not work with lora_dropout|without also targeting|TopKRouter\(\) is not supported' ;;
  esac
  for format in "$@"; do
    case $name.$format in
      # What docs/files.md says of peft-full on transformers 5: PEFT 0.21 converts no qwen2_moe, and drops dense and shared MLPs.
      qwen2_moe.peft-full) check "$name: $format, PEFT on v5 refuses" compare refused "$out.$format.v5.safetensors" 'TopKRouter\(\) is not supported' ;;
      deepseek_v2.peft-full) check "$name: $format, PEFT on v5 drops dense and shared" compare refused "$out.$format.v5.safetensors" 'unexpected keys' ;;
      *) check "$name: $format, PEFT on v5" compare logits "$out.safetensors" "$out.$format.v5.safetensors" ;;
    esac
    [ "$format" != peft-full ] || check "$name: $format, PEFT on v4" compare logits "$out.safetensors" "$out.$format.v4.safetensors"
  done
}

# Ranks that add up to those of all experts: loading it would put the experts' factors in the wrong place.
compare_wide() { check "wide: native, PEFT on v5 refuses" compare refused $work/wide.v5.safetensors 'size mismatch'; }

# A file in which one tensor is 1 % larger must be noticed by every comparison.
spoil() {  # copy, original, file, pattern
  cp -r "$work/$2" "$work/$1" && python5 $here/spoil.py "$work/$1/$3" "$4" 1.01
}

write_spoiled() {
  local file=adapter_model.safetensors name
  check "spoiled: peft-full" spoil spoiled.peft-full hot.peft-full $file 'experts\.\d+\.up_proj\.lora_B'
  check "spoiled: peft-fused" spoil spoiled.peft-fused hot.peft-fused $file '0\.mlp\.experts\.lora_B'
  check "spoiled: merge" spoil spoiled.merged hot.merged model.safetensors 'layers\.1\.mlp\.experts\.\d+\.down_proj'
  job v5 $work/spoiled.peft-full.v5 $work/tiny $work/spoiled.peft-full
  job v5 $work/spoiled.peft-fused.v5 $work/tiny $work/spoiled.peft-fused
  job v5 $work/spoiled.merged.v5 $work/spoiled.merged
  for name in peft-full peft-fused; do
    refuses "spoiled: check --exported sees it ($name)" 3 "differs from the adapter's" \
      "$HELLORA" check --model $work/tiny --adapter $work/hot/adapter --exported $work/spoiled.$name
  done
  refuses "spoiled: check --merged sees it" 3 'is not what the adapter says' \
    "$HELLORA" check --model $work/tiny --adapter $work/hot/adapter --merged $work/spoiled.merged
}

compare_spoiled() {
  local name
  for name in peft-full peft-fused merged; do
    refuses "spoiled: the logits show it ($name)" 1 '^logits differ' compare logits $work/hot.safetensors $work/spoiled.$name.v5.safetensors
  done
}

check_tokens() {
  python3 -c 'import json
rows = [json.loads(line)["text"] for line in open("tests/golden/fixtures/text/tiny.jsonl", encoding="utf-8")]
for line in list(open("data/gsm8k/test.jsonl", encoding="utf-8"))[:60]:
    rows += json.loads(line).values()
print("\n".join(map(json.dumps, rows)))' >$work/rows.jsonl
  "$HELLORA" tokenize --model models/tiny-olmoe --json-lines <$work/rows.jsonl >$work/tokens.jsonl
  "$HELLORA" tokenize --model models/tiny-olmoe --json-lines --special <$work/rows.jsonl >$work/tokens_special.jsonl
  local version
  for version in v4 v5; do
    check "tokenizers of $version" "$(python_of $version)" $here/compare.py tokens --tokenizer models/tiny-olmoe/tokenizer.json \
      $work/rows.jsonl $work/tokens.jsonl $work/tokens_special.jsonl
  done
}

check_configs() {
  local version
  for version in v4 v5; do
    check "adapter_config.json, PEFT on $version" "$(python_of $version)" $here/compare.py config \
      $work/{hot,ranks,down,dora,vera,adalora,randlora}/adapter $work/{hot,ranks,down}.peft-full $work/{hot,ranks,down}.peft-fused
  done
}

# Both at the same time: each has one thread.
run_jobs() {
  local IFS=, other log=$work/jobs4.log
  printf '[%s]' "${jobs4[*]}" >$work/jobs4.json
  printf '[%s]' "${jobs5[*]}" >$work/jobs5.json
  python4 $here/peft_logits.py --jobs $work/jobs4.json >"$log" 2>&1 </dev/null &
  other=$!
  check "transformers 5 and PEFT run ${#jobs5[@]} jobs" python5 $here/peft_logits.py --jobs $work/jobs5.json
  if wait $other; then say ok "transformers 4 and PEFT run ${#jobs4[@]} jobs" ""; else say FAILED "transformers 4 and PEFT" "see $log"; fi
}

main() {
  local name model adapter exports
  rm -rf $work
  mkdir -p $work || finish
  make_environment v4
  make_environment v5
  write_ids
  check "random model" make_model || finish
  train_adapters
  train_methods
  write_base tiny $work/tiny "v4 v5"
  write_base golden $golden "v4 v5"
  write_base fused $golden/fused v5  # the layout of transformers 5
  for name in $families; do
    write_base "$name.base" tests/golden/fixtures/"$name"/base "v4 v5"
    [ ! -d tests/golden/fixtures/"$name"/base/fused ] || write_base "$name.fused" tests/golden/fixtures/"$name"/base/fused v5
  done
  while read -r name model adapter exports; do write_case "$name" "$model" "$adapter" $exports; done <<<"$cases"
  refuses "embedding: no fused export" 2 'embed has no place' \
    "$HELLORA" export --model $golden --adapter $golden/lora_embed --format peft-fused --out $work/embedding.peft-fused
  write_fused_merge
  write_spoiled
  write_methods
  write_auto
  job v5 $work/wide.v5 $work/tiny $work/wide/adapter plain
  run_jobs
  compare_base tiny "v4 v5"
  compare_base golden "v4 v5"
  compare_base fused v5
  for name in $families; do
    compare_base "$name.base" "v4 v5"
    [ ! -d tests/golden/fixtures/"$name"/base/fused ] || compare_base "$name.fused" v5
  done
  check "fused: merge, transformers v5" compare logits $work/patterns.safetensors $work/fused.merged.v5.safetensors
  while read -r name model adapter exports; do
    compare_case "$name" "$(base_of "$name" "$model")" $exports
  done <<<"$cases"
  compare_wide
  compare_methods
  compare_auto
  check "lm-eval reads a merge" env HF_HOME="$PWD/$work/hf" HF_DATASETS_OFFLINE=1 "$(python_of v5)" $here/run_lm_eval.py $work/hot.merged $work/lm_eval "$HELLORA"
  compare_spoiled
  check_configs
  check_tokens
  finish
}

main
