#!/usr/bin/env bash
# The tarball of scripts/package.sh, unpacked elsewhere, with the build's libtorch out of sight: version, table, a short training.
# Run from the root of the repository after a build of build/ci; the last line is "N passed, N failed".
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

unpack() { tar -C "$scratch" -xzf "$scratch"/out/hellora-*.tar.gz && mv "$scratch"/hellora-* "$scratch/moved"; }
# Every library comes from the package or is the system's own: none from the build or the torch package that it was built with.
finds_its_own() {
  local elsewhere
  elsewhere=$(ldd "$scratch/moved/libexec/hellora/hellora" | awk '$2 == "=>" {print $3}' | grep -v "^$scratch/moved/" | grep -Ev '^/(usr/)?lib(64)?/')
  [ -z "$elsewhere" ] || { echo "from elsewhere: $elsewhere"; return 1; }
}
looks_beside_itself_only() { readelf -d "$scratch/moved/libexec/hellora/hellora" | grep -E 'R(UN)?PATH|runpath|rpath' | grep -qF '[$ORIGIN/../../lib/hellora]'; }
same() { cmp <("$build/bin/hellora" "$@") <("$scratch/moved/bin/hellora" "$@"); }
trains() {
  "$scratch/moved/bin/hellora" run --quiet recipe=hellora model=models/tiny-olmoe data.train=data/gsm8k/test.jsonl "output=$scratch/run" \
    train.max_steps=2 train.micro_batch_tokens=256 select.mode=base select.k=4 adapter.rank=4 && [ -s "$scratch/run/adapter/adapter_model.safetensors" ]
}

check "package" bash scripts/package.sh "$build" "$scratch/out"
check "unpack" unpack
check "libraries" finds_its_own
check "no path of the building machine" looks_beside_itself_only
check "version" same --version
check "table" same archs
check "table as JSON" same archs --json
check "a short training" trains
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
