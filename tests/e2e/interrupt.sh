#!/usr/bin/env bash
# Ctrl-C and its relatives: the first one drops the open step, saves and says how to go on; the second one stops at once.
source tests/e2e/lib.sh
model=$scratch/model
settings=("model=$model" "data.train=$scratch/train.jsonl" select.mode=warmup select.policy=hot select.k=3 select.fraction=0.3
  adapter.rank=4 adapter.alpha=8 adapter.dropout=0.1 train.lr=5e-3 train.micro_batch_tokens=512 train.grad_accumulation=2 train.max_steps=12)

start() {
  from_terminal "$hellora" "$@" >"$scratch/out" 2>"$scratch/err" &
  process=$!
}

lines() { [ -f "$1/metrics.jsonl" ] && [ "$(wc -l <"$1/metrics.jsonl")" -ge "$2" ]; }
said() { grep -q "$1" "$scratch/err"; }

ended_with() {  # name, exit code
  local status
  wait "$process"
  status=$?
  check "$1: exit code $2" test $status -eq "$2"
}

final_state() { cat "$1/checkpoint-000012/state.safetensors" "$1/checkpoint-000012/state.json" "$1/adapter/"* | sha256sum; }

same_end() {
  diff <(metrics "$scratch/whole") <(metrics "$1") || return 1
  [ "$(final_state "$scratch/whole")" = "$(final_state "$1")" ] || { echo "other bytes at the end"; return 1; }
}

first_saves() {  # name, signal
  local folder=$scratch/$1 checkpoint
  start train "${settings[@]}" "output=$folder"
  until_true "$process" lines "$folder" 3 || fail "$1: the run ended before the signal"
  kill -"$2" "$process"
  ended_with "$1" 130
  check "$1: says after which step and how to go on" grep -qE "^warning: stopped after step [0-9]+; continue with: hellora train --resume $folder\$" "$scratch/err"
  checkpoint=$(compgen -G "$folder/checkpoint-*")
  check "$1: the state is saved whole" test -f "$checkpoint/DONE"
  check "$1: no more steps in the metrics than in the state" test "$(wc -l <"$folder/metrics.jsonl")" -eq "$((10#${checkpoint##*-}))"
  check "$1: no adapter is claimed" test ! -e "$folder/adapter"
  works "$1: resume" train --quiet --resume "$folder"
  check "$1: resumed to the same bytes" same_end "$folder"
}

in_the_profile() {
  local folder=$scratch/profile
  start train "${settings[@]}" "output=$folder"
  until_true "$process" said '^profile 1/' || fail "profile: the run ended before the signal"
  kill -INT "$process"
  ended_with "in the profile" 130
  check "in the profile: says so" grep -qE "^warning: stopped in the profile.*: hellora train --resume $folder\$" "$scratch/err"
  works "in the profile: resume" train "${settings[@]}" --quiet "output=$folder" --resume "$folder"
  check "in the profile: resumed to the same bytes" same_end "$folder"
}

# A signal in an evaluation: at the start, between steps, at the end. The name of the folder needs quotes.
in_an_evaluation() {  # name, what is awaited, further settings
  local name=$1 folder="$scratch/ev $1" awaited=$2 hint
  shift 2
  rows 100,900 >"$scratch/slow.jsonl"
  start train "${settings[@]}" "output=$folder" "data.eval=$scratch/slow.jsonl" "$@"
  until_true "$process" "$awaited" "$folder" 1 || fail "$name: the run ended before the signal"
  sleep 0.2
  kill -HUP "$process"
  ended_with "$name" 130
  hint=$(sed -n 's/^warning: stopped .*with: //p' "$scratch/err")
  check "$name: the hint is a command" test "$hint" = "hellora train --resume '$folder'"
  check "$name: no summary" test ! -e "$folder/summary.json"
}

evaluations() {
  local less=(train.max_steps=1 train.micro_batch_tokens=2048 "data.train=$scratch/few.jsonl" select.mode=base)
  rows 1,4 >"$scratch/few.jsonl"
  planned() { [ -e "$1/plan.json" ]; }
  in_an_evaluation first planned "${less[@]}"
  in_an_evaluation between lines "${less[@]}" train.max_steps=2 train.eval_steps=1
  check "between: the step is saved" test -f "$scratch/ev between/checkpoint-000001/DONE"
  ended() { [ -e "$1/audit.json" ]; }
  in_an_evaluation last ended "${less[@]}"
  check "last: the adapter is there" test -s "$scratch/ev last/adapter/hellora.json"
  call train --quiet --resume "$scratch/ev last" data.eval=
  check "last: the summary comes with a resume" test -s "$scratch/ev last/summary.json"
}

# What the parent ignores stays ignored.
ignored() {
  local folder=$scratch/ignored
  (trap '' HUP INT; exec "$hellora" train "${settings[@]}" "output=$folder" >"$scratch/out" 2>"$scratch/err") &
  process=$!
  until_true "$process" lines "$folder" 2 || fail "ignored: the run ended before the signal"
  kill -HUP "$process"
  kill -INT "$process"
  ended_with "ignored" 0
  check "ignored: the same bytes" same_end "$folder"
}

# Nobody reads what the run says any more: it goes on.
unheard() {
  local folder=$scratch/unheard status
  (trap '' PIPE; exec "$hellora" train "${settings[@]}" "output=$folder" 2>&1) | head -n 1 >/dev/null
  status=${PIPESTATUS[0]}
  check "unheard: exit code 0" test "$status" -eq 0
  check "unheard: the same bytes" same_end "$folder"
}

# One micro-batch that would take long: the first signal waits for its end, the second one does not.
second_stops() {
  local folder=$scratch/second
  rows 1,900 >"$scratch/long.jsonl"
  # The plain kernels are slow on purpose here: the micro-batch must still be open when the signals come.
  HELLORA_KERNEL=reference start train "${settings[@]}" "data.train=$scratch/long.jsonl" "output=$folder" select.policy=all train.micro_batch_tokens=200000 train.grad_accumulation=8
  until_true "$process" said '^info: trainable' || fail "second signal: the run ended before it"
  until_true "$process" test -e "$folder/metrics.jsonl" || fail "second signal: the run ended before training"
  sleep 1 # the files are there just before the micro-batch is open
  kill -INT "$process"
  sleep 0.3
  check "second signal: the first one waits for the open micro-batch" kill -0 "$process"
  kill -INT "$process"
  ended_with "second signal" 130
  check "second signal: nothing half-written" test -z "$(compgen -G "$folder/checkpoint-*")"
  check "second signal: no message about a saved state" test "$(grep -c 'stopped after' "$scratch/err")" -eq 0
}

rows 1,60 >"$scratch/train.jsonl"
tiny_model "$model" 1
need train "${settings[@]}" --quiet "output=$scratch/whole"
first_saves interrupt INT
first_saves terminate TERM
first_saves hangup HUP
first_saves quit QUIT
evaluations
ignored
unheard
in_the_profile
second_stops
finish
