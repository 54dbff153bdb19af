#!/usr/bin/env bash
# From a fresh checkout to a fine-tuned adapter: sets up, builds the program and runs examples/quickstart.yaml.
# Everything after the script's name goes to the run as key=value settings.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
jobs=${HELLORA_JOBS:-$(nproc)} logs=build/logs

say() { printf 'quickstart: %s\n' "$*"; }

stop() {  # what failed, log
  tail -n 30 "$2" >&2
  say "stopped: $1 failed, the whole log is $2" >&2
  exit 1
}

# Shows ninja's lines "[n/m] what" as a line that counts up; where there is no terminal, as a line for every tenth.
progress() {
  local line done total tenth said=-1
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    done=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
    [ "$total" -ge 10 ] || continue
    if [ -t 1 ]; then printf '\rquickstart: %s of %s steps' "$done" "$total"; continue; fi
    tenth=$((10 * done / total))
    [ $tenth -eq $said ] || say "$done of $total steps"
    said=$tenth
  done
  if [ -t 1 ]; then printf '\n'; fi
}

bash scripts/setup.sh || exit 1
say "configuring build/release"
cmake --preset release -DHELLORA_TORCH="$(bash scripts/setup.sh --torch)" >$logs/quickstart_configure.log 2>&1 || stop configuring $logs/quickstart_configure.log
say "building: about ten minutes on two cores the first time"
cmake --build build/release --target hellora_main --parallel "$jobs" 2>&1 | tee $logs/quickstart_build.log | progress
[ "${PIPESTATUS[0]}" -eq 0 ] || stop building $logs/quickstart_build.log
say "build/release/bin/hellora run examples/quickstart.yaml --overwrite $*"
exec build/release/bin/hellora run examples/quickstart.yaml "$@" --overwrite
