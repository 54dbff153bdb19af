#!/usr/bin/env bash
# kill -9 at any moment and --resume: the same bytes as a run that nobody disturbed. And what a resume must refuse.
source tests/e2e/lib.sh
model=$scratch/model
steps=12 save=4
settings=("model=$model" "data.train=$scratch/train.jsonl" "data.eval=$scratch/eval.jsonl" select.mode=warmup select.policy=hot select.k=3
  select.fraction=0.3 adapter.rank=4 adapter.alpha=8 adapter.dropout=0.1 train.lr=5e-3 train.micro_batch_tokens=512 train.grad_accumulation=2
  train.max_steps=$steps train.save_steps=$save train.eval_steps=3)

# How far a run is, as its files tell.
lines() { [ -f "$1/metrics.jsonl" ] && [ "$(wc -l <"$1/metrics.jsonl")" -ge "$2" ]; }
profiling() { grep -q '^profile 1/' "$1"; }
saving() { compgen -G "$1/.checkpoint-*.tmp-*" >/dev/null; }
saved() { [ -f "$1/checkpoint-$2/DONE" ]; }

# Starts the run (or resumes it), waits for the moment and kills the process: the moment must come before the run ends.
kill_when() {  # name, run folder, the option that resumes or "", the moment
  local name=$1 folder=$2 resume=$3 process
  shift 3
  # shellcheck disable=SC2086
  "$hellora" train "${settings[@]}" "output=$folder" $resume >"$scratch/out" 2>"$scratch/err" &
  process=$!
  if ! until_true $process "$@"; then
    fail "$name: the run ended before the moment to kill it" "$(tail -n 3 "$scratch/err")"
    return 1
  fi
  kill -9 $process
  wait $process 2>/dev/null
}

killed_and_resumed() {  # name, the moment
  local name=$1 folder
  folder=$scratch/$(tr -c 'a-z0-9\n' _ <<<"$name")
  shift
  # The moment's own words come first, then the folder of this run and what is left of the arguments.
  local moment=$1
  shift
  kill_when "$name" "$folder" "" "$moment" "$folder" "$@" || return
  works "$name: resume" train "${settings[@]}" --quiet "output=$folder" --resume "$folder"
  check "$name: the same bytes as without" same_run "$scratch/whole" "$folder"
  check "$name: the same profile" same_files "$scratch/whole" "$folder" profile.json
}

# The profile is not in the metrics: its progress lines tell.
killed_in_profile() {
  local folder=$scratch/in_profile
  kill_when "in the profile" "$folder" "" profiling "$scratch/err" || return
  check "in the profile: no plan yet" test ! -e "$folder/plan.json"
  works "in the profile: resume from the folder alone" train --quiet --resume "$folder"
  check "in the profile: the same bytes as without" same_run "$scratch/whole" "$folder"
}

# The same run killed again and again, a resumed one too; the configuration comes from the run folder.
killed_often() {
  local folder=$scratch/often step
  kill_when "often, first" "$folder" "" lines "$folder" 3 || return
  for step in 000004 000008; do
    # A line that the kill cut short, and a checkpoint that never became whole.
    printf '{"step": 99, "lo' >>"$folder/metrics.jsonl"
    mkdir -p "$folder/checkpoint-000011" "$folder/checkpoint-000010.tmp"
    echo '{"step": 11}' >"$folder/checkpoint-000011/state.json"
    touch "$folder/checkpoint-000010.tmp/DONE"
    kill_when "often, at $step" "$folder" "--resume $folder" saved "$folder" $step || return
  done
  rm -r "$folder/checkpoint-000011"
  works "often: resume from the folder alone" train --quiet --resume "$folder"
  check "often: nothing temporary is left" test -z "$(find "$folder" -name '*.tmp*')"
  check "often: the same bytes as without" same_run "$scratch/whole" "$folder"
}

# A checkpoint by its own name goes on from there, even if the run is finished; a finished run only writes its results again.
from_a_checkpoint() {
  local folder=$scratch/from
  cp -r "$scratch/whole" "$folder"
  rm -r "$folder/adapter" "$folder/checkpoint-000012"
  works "from checkpoint 4" train "${settings[@]}" --quiet "output=$folder" --resume "$folder/checkpoint-000004"
  check "from checkpoint 4: the same bytes" same_run "$scratch/whole" "$folder"
  works "from the end" train "${settings[@]}" --quiet "output=$folder" --resume "$folder"
  check "from the end: the same bytes" same_run "$scratch/whole" "$folder"
}

# The ranks of a plan are no contradiction to the rank that the run's own configuration resolved to.
from_a_ranked_plan() {
  local folder=$scratch/ranked plan=$scratch/ranked.json
  need select --quiet --profile "$scratch/whole/profile.json" --policy hot --k 2 --rank 3 --out "$plan"
  need train --quiet "model=$model" "data.train=$scratch/train.jsonl" "output=$folder" "select.plan=$plan" train.max_steps=2 \
    train.save_steps=1 train.micro_batch_tokens=512
  rm -r "$folder/checkpoint-000002"
  works "a plan with ranks: resume from the folder alone" train --quiet --resume "$folder"
  check "a plan with ranks: finished" test -f "$folder/checkpoint-000002/DONE"
  works "a plan with ranks: runs again from its own configuration" train "$folder/config.yaml" --quiet "output=$scratch/ranked_again"
  check "a plan with ranks: the same bytes" same_run "$folder" "$scratch/ranked_again"
}

# A finished run may become longer: with a constant rate it is then the run of that length.
longer() {
  local folder=$scratch/longer constant=(train.schedule=constant train.warmup_ratio=0 train.save_total_limit=2 --quiet)
  need train "${settings[@]}" "${constant[@]}" "output=$scratch/long"
  need train "${settings[@]}" "${constant[@]}" "output=$folder" train.max_steps=8
  call train --resume "$folder" "train.max_steps=$steps"
  check "longer: exit code 0" test $? -eq 0
  check "longer: says so" grep -q '^info: the run goes on from step 8 to 12 (it had 8 steps)' "$scratch/err"
  check "longer: the same bytes" same_files "$scratch/long" "$folder" adapter/adapter_model.safetensors adapter/hellora.json \
    checkpoint-000012/state.safetensors checkpoint-000012/state.json
  check "longer: the same losses" diff <(metrics "$scratch/long") <(metrics "$folder")
  check "longer: train.save_total_limit" test "$(cd "$folder" && echo checkpoint-*)" = "checkpoint-000008 checkpoint-000012"
  works "longer: twice" train --quiet --resume "$folder"
  cp -r "$scratch/whole" "$scratch/cosine"
  call train --resume "$scratch/cosine" train.max_steps=13
  check "longer, cosine: says that it is another schedule" grep -q '^warning: .*cosine schedule over 13 steps' "$scratch/err"
  call train --resume "$scratch/whole/checkpoint-000004" train.max_steps=13
  check "longer, from before the end: exit code 2" test $? -eq 2
  check "longer, from before the end: says why" grep -q '^error: .*later checkpoints.*another output' "$scratch/err"
}

# Each checkpoint holds its adapter for use.
checkpoint_adapters() {
  local whole=$scratch/whole
  check "the last checkpoint's adapter is the result" same_files "$whole/adapter" "$whole/checkpoint-000012/adapter" \
    adapter_model.safetensors adapter_config.json hellora.json
  works "a checkpoint's adapter" eval --quiet --model "$model" --adapter "$whole/checkpoint-000004/adapter" --data "$scratch/eval.jsonl"
}

# `run` resumes its own output folder.
run_resumes() {
  local folder=$scratch/recipe process
  "$hellora" run "${settings[@]}" "output=$folder" >"$scratch/out" 2>"$scratch/err" &
  process=$!
  until_true $process lines "$folder" 7 || { fail "run --resume: the run ended before it could be killed"; return; }
  kill -9 $process
  wait $process 2>/dev/null
  works "run --resume" run "${settings[@]}" --quiet "output=$folder" --resume
  rm -r "$folder/checkpoint-000012" "$folder/adapter"
  works "run --resume RUN alone" run --quiet --resume "$folder"
  check "run --resume: the same bytes as train" same_run "$scratch/whole" "$folder"
}

refused() {  # what must be named, settings that differ
  local named=$1 status
  shift
  call train "${settings[@]}" "output=$scratch/kept" --resume "$scratch/kept" "$@"
  status=$?
  check "changed $*: exit code 2" test $status -eq 2
  check "changed $*: one line that names $named" test "$(grep -c "^error: .*$named" "$scratch/err")" -eq 1
  check "changed $*: the run folder is as it was" diff -r "$scratch/before" "$scratch/kept"
}

changed_configuration() {
  cp -r "$scratch/whole" "$scratch/kept"
  cp -r "$scratch/whole" "$scratch/before"
  tiny_model "$scratch/other" 2
  refused 'train.lr is 0.005 in the checkpoint, now 0.001' train.lr=1e-3
  refused 'train.max_steps is 12.* in the checkpoint, now 8 steps' train.max_steps=8
  refused 'adapter.rank is 4 in the checkpoint, now 8' adapter.rank=8
  refused 'adapter.dropout is 0.1 in the checkpoint, now 0' adapter.dropout=0
  refused 'compute.saved is fp32 in the checkpoint, now bf16' compute.saved=bf16
  refused 'seed is 0 in the checkpoint, now 9' seed=9
  refused 'select.k is 3 in the checkpoint, now 2' select.k=2
  refused 'select.policy is hot in the checkpoint, now random; train.lr is' select.policy=random train.lr=1
  need select --quiet --profile "$scratch/whole/profile.json" --policy cold --k 3 --out "$scratch/cold.json"
  refused 'select.plan is hash' "select.plan=$scratch/cold.json"
  refused 'data.train is hash' "data.train=$scratch/eval.jsonl"
  refused 'data.max_length is 512 in the checkpoint, now 500' data.max_length=500
  refused 'model is hash' "model=$scratch/other"
  rm "$scratch/kept/checkpoint-000008/DONE" "$scratch/before/checkpoint-000008/DONE"
  call train "${settings[@]}" "output=$scratch/kept" --resume "$scratch/kept/checkpoint-000008"
  check "a checkpoint without DONE: exit code 2" test $? -eq 2
  check "a checkpoint without DONE: said so" grep -q '^error: .*checkpoint-000008.*DONE' "$scratch/err"
  works "other evaluation settings are no other run" train "${settings[@]}" --quiet "output=$scratch/kept" --resume "$scratch/kept" train.eval_steps=0
}

rows 1,60 >"$scratch/train.jsonl"
rows 61,64 >"$scratch/eval.jsonl"
tiny_model "$model" 1
need train "${settings[@]}" --quiet "output=$scratch/whole"
check "the undisturbed run has three checkpoints" test "$(compgen -G "$scratch/whole/checkpoint-*/DONE" | wc -l)" -eq 3
killed_in_profile
killed_and_resumed "before the first checkpoint" lines 2
hurry=yes killed_and_resumed "while a checkpoint is written" saving
killed_and_resumed "after a checkpoint" lines 8
hurry=yes killed_and_resumed "before the results" saved 000012
killed_often
from_a_checkpoint
from_a_ranked_plan
run_resumes
longer
checkpoint_adapters
changed_configuration
finish
