#!/usr/bin/env bash
# From a fresh checkout to a fine-tuned adapter: sets up, builds the program and runs examples/quickstart.yaml.
# Everything after the script's name goes to the run as key=value settings.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
jobs=${HELLORA_JOBS:-$(nproc)}

step() {  # $1: what is done, $2: log, then the command
  local what=$1 log=build/logs/$2.log
  shift 2
  printf 'quickstart: %s\n' "$what"
  if ! "$@" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    printf 'quickstart: stopped: %s failed, the whole log is %s\n' "$what" "$log" >&2
    exit 1
  fi
}

bash scripts/setup.sh || exit 1
step "configuring build/release" quickstart_configure cmake --preset release -DHELLORA_TORCH="$(bash scripts/setup.sh --torch)"
step "building (some minutes the first time)" quickstart_build cmake --build build/release --target hellora_main --parallel "$jobs"
printf 'quickstart: build/release/bin/hellora run examples/quickstart.yaml --overwrite %s\n' "$*"
exec build/release/bin/hellora run examples/quickstart.yaml "$@" --overwrite
