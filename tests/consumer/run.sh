#!/usr/bin/env bash
# Installs build/ci into a prefix, moves the prefix, and uses it: the program, and the library from a project of its own.
# Run from the root of the repository; the last line is "N passed, N failed".
set -u
build=${HELLORA_BUILD:-build/ci}
passed=0 failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

check() {  # name, command
  local name=$1 seen
  shift
  if seen=$("$@" 2>&1); then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'FAILED: %s\n%s\n' "$name" "$(tail -n 15 <<<"$seen")"
  fi
}

prints() { [ "$("${@:2}")" = "$1" ] || { printf 'expected: %s\n' "$1"; "${@:2}"; return 1; }; }
lists_the_model() { "$scratch/consumer/read_tensors" models/tiny-olmoe/model.safetensors | grep -q '^model.embed_tokens.weight 262144$'; }
refuses_no_model() { ! "$scratch/consumer/read_tensors" README.md && "$scratch/consumer/read_tensors" README.md 2>&1 | grep -q README.md; }

check "install" cmake --install "$build" --prefix "$scratch/first"
mv "$scratch/first" "$scratch/prefix"
check "the installed program" prints "$("$build/bin/hellora" --version)" "$scratch/prefix/bin/hellora" --version
check "the installed program's table" prints "$("$build/bin/hellora" archs --json)" "$scratch/prefix/bin/hellora" archs --json
check "configure" cmake -S tests/consumer -B "$scratch/consumer" -G Ninja -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_PREFIX_PATH=$scratch/prefix"
check "build" cmake --build "$scratch/consumer"
check "reads a safetensors file" lists_the_model
check "refuses what is none" refuses_no_model
check "selects a plan" prints $'0:1\n0:2' "$scratch/consumer/select_plan"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
