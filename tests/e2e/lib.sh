# Helpers of the end-to-end scripts: a scratch folder, counted checks, small models. Sourced from the root of the repository.
set -u
hellora=${HELLORA:?HELLORA must hold the path of the program}
here=tests/e2e
base=models/tiny-olmoe
passed=0 failed=0
scratch=$(mktemp -d)
# Threads that spin while they wait make a tiny model slow on a busy machine.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here
# Whatever a script started in the background goes first: it may still write into the scratch folder.
trap 'kill -9 $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$scratch"' EXIT

# A script that hangs is ended by its stage; the place is the only trace of why.
place=
trap 'fail "ended from outside, at \"$place\""; finish' TERM

pass() { passed=$((passed + 1)); }

fail() {  # name, then lines that say what was seen
  failed=$((failed + 1))
  echo "FAILED: $1"
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@"
}

finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit $?
}

# Runs the program; its output goes to $scratch/out and $scratch/err.
call() { "$hellora" "$@" >"$scratch/out" 2>"$scratch/err"; }

# Background processes of a script ignore SIGINT and SIGQUIT; this becomes the command as a terminal would start it.
from_terminal() {
  exec python3 -c 'import os, signal, sys
for number in (signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$@"
}

# A fixture that everything after it needs: without it there is nothing left to check.
need() {
  call "$@" && return
  fail "could not run: hellora $*" "$(tail -n 3 "$scratch/err")"
  finish
}

works() {  # name, arguments: exit code 0
  local name=$1 status
  place=$name
  shift
  call "$@"
  status=$?
  if [ $status -eq 0 ]; then pass; else fail "$name: exit code $status" "$(tail -n 3 "$scratch/err")"; fi
}

check() {  # name, command: it must succeed
  local name=$1 seen
  place=$name
  shift
  if seen=$("$@" 2>&1); then pass; else fail "$name" "${seen:-$*}"; fi
}

differs() {  # name, command: it must fail
  local name=$1
  shift
  if "$@" >/dev/null 2>&1; then fail "$name" "expected a difference: $*"; else pass; fi
}

# The smallest model with every feature of the family: random weights and the tokenizer of the embedded model.
tiny_model() {  # folder, seed, further options of init
  local folder=$1 seed=$2
  shift 2
  need init --arch olmoe-1b-7b --tiny --layers 2 --seed "$seed" --quiet --out "$folder" "$@"
  cp "$base/tokenizer.json" "$base/tokenizer_config.json" "$folder/"
}

rows() { sed -n "$1p" data/gsm8k/train.jsonl; }  # rows FROM,TO of the training data

# What must be the same for any thread count and across a resume: everything but times, paths and events.
metrics() {
  python3 -c 'import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    print(row["step"], *(repr(row[key]) if key in row else "-" for key in ("loss", "grad_norm", "lr", "eval_loss")))' "$1/metrics.jsonl"
}

same_files() {  # two folders, names: each must exist in the first one
  local one=$1 two=$2 name
  shift 2
  for name in "$@"; do
    [ -s "$one/$name" ] || { echo "$one/$name is missing or empty"; return 1; }
    cmp "$one/$name" "$two/$name" || return 1
  done
}

same_run() {  # two run folders: adapter, every checkpoint, plan, losses
  local one=$1 two=$2
  same_files "$one" "$two" adapter/adapter_model.safetensors adapter/adapter_config.json adapter/hellora.json plan.json || return 1
  diff <(cd "$one" && ls -d checkpoint-*) <(cd "$two" && ls -d checkpoint-*) || return 1
  local folder
  for folder in "$one"/checkpoint-*; do
    same_files "$folder" "$two/${folder##*/}" state.safetensors state.json || return 1
  done
  diff <(metrics "$one") <(metrics "$two")
}

# Waits until the command succeeds; false when the process has ended before. hurry=yes looks without a pause, for moments
# that pass quickly.
until_true() {  # process, command
  local process=$1
  shift
  until "$@"; do
    kill -0 "$process" 2>/dev/null || return 1
    [ "${hurry:-no}" = yes ] || sleep 0.01
  done
}
