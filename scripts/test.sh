#!/usr/bin/env bash
# Every check of the project, cheapest first; the last line is "N passed, N failed" and the exit code follows it.
#   scripts/test.sh        everything
#   scripts/test.sh fast   the checks, the build and the fast tests
# Each stage prints one line; logs are in build/logs/.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
root=$PWD logs=$PWD/build/logs jobs=${HELLORA_JOBS:-$(nproc)}
passed=0 failed=0
mkdir -p "$logs"

summary() {
  [ $((passed + failed)) -gt 0 ] || { echo "nothing ran"; failed=1; }
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
  exit $?
}

report() {  # name, seconds, passed, failed, log, note
  passed=$((passed + $3)) failed=$((failed + $4))
  local result=ok
  [ "$4" -eq 0 ] || result=FAILED
  [ $(($3 + $4)) -le 1 ] || result="$result, $3 passed, $4 failed"
  printf '%-28s %5d s  %s%s\n' "$1" "$2" "$result" "${6:-}"
  if [ "$4" -gt 0 ]; then tail -n 40 "$5" | sed 's/^/  | /'; printf '  (log: %s)\n' "${5#"$root"/}"; fi
  return $(($4 > 0))
}

# A command is one check, unless its log ends in a line "N passed, N failed".
stage() {
  local name=$1 log status start=$SECONDS counts good bad
  log=$logs/$(printf '%s' "$name" | tr -c 'A-Za-z0-9_\n' _).log
  shift
  "$@" >"$log" 2>&1 </dev/null
  status=$?
  counts=$(grep -Eo '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
  if [ -n "$counts" ]; then
    good=${counts%% *} bad=${counts#*, }
    bad=${bad%% *}
    if [ $((good + bad)) -eq 0 ] || { [ $status -ne 0 ] && [ "$bad" -eq 0 ]; }; then bad=$((bad + 1)); fi
  else
    good=$((status == 0)) bad=$((status != 0))
  fi
  report "$name" $((SECONDS - start)) "$good" "$bad" "$log"
}

# "passed failed skipped": a test that could not start has failed, one that skipped itself or is disabled is skipped.
junit_counts() {
  python3 -c 'import sys, xml.etree.ElementTree as tree
counts = [0, 0, 0]
for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
    skipped = case.find("skipped")
    left_out = case.get("status") == "disabled" or (skipped is not None and skipped.get("message", "").startswith("SKIP_"))
    counts[2 if left_out else 0 if case.get("status") == "run" else 1] += 1
print(*counts)' "$1"
}

# Every gtest case is one check; a skipped one counts as neither, no test at all as a failure.
ctest_stage() {
  local name=$1 build=$2 log junit status start=$SECONDS counts good bad skipped
  log=$logs/$(printf '%s' "$name" | tr -c 'A-Za-z0-9_\n' _).log
  junit=${log%.log}.xml
  shift 2
  rm -f "$junit"
  ctest --test-dir "$build" --output-on-failure --timeout 600 --output-junit "$junit" -j 2 "$@" >"$log" 2>&1 </dev/null
  status=$?
  counts=$(junit_counts "$junit" 2>>"$log") || counts="0 1 0"
  read -r good bad skipped <<<"$counts"
  if [ $((good + bad)) -eq 0 ] || { [ $status -ne 0 ] && [ "$bad" -eq 0 ]; }; then bad=$((bad + 1)); fi
  # The failing tests' names are at the end of the log, what they said before that.
  [ "$bad" -eq 0 ] || grep -E -A 12 ': Failure$|^ERROR: AddressSanitizer|runtime error:' "$log" | head -n 60 >"$log.failures"
  [ ! -s "$log.failures" ] || cat "$log.failures" >>"$log"
  rm -f "$log.failures"
  report "$name" $((SECONDS - start)) "$good" "$bad" "$log" "$([ "$skipped" -eq 0 ] || printf ', %s skipped' "$skipped")"
}

absent() { printf '%-28s     - s  not there: %s\n' "$1" "$2"; }

checks() {
  local check
  for check in check_layers check_sizes lint_determinism; do
    stage "$check self-test" python3 "tools/$check.py" --self-test
    stage "$check" python3 "tools/$check.py"
  done
  stage "check_format" bash tools/check_format.sh
}

build() {  # name, preset, then cmake options
  local name=$1 preset=$2
  shift 2
  stage "$name: configure" cmake --preset "$preset" "$@" && stage "$name: build" cmake --build "build/$preset" --parallel "$jobs"
}

end_to_end() {
  export HELLORA=$root/build/ci/bin/hellora
  local script found=no
  for script in tests/e2e/*.sh; do
    case "$(basename "$script")" in lib*.sh | '*.sh') continue ;; esac
    found=yes
    stage "e2e $(basename "$script" .sh)" timeout 1200 bash "$script"
  done
  [ $found = yes ] || absent "e2e" "tests/e2e/*.sh"
  if [ -f tests/interop/run.sh ]; then stage "interop" timeout 1800 bash tests/interop/run.sh; else absent "interop" "tests/interop/run.sh"; fi
  if [ -f tests/docs/replay_readme.py ]; then
    stage "README replay" timeout 1800 python3 tests/docs/replay_readme.py
  else
    absent "README replay" "tests/docs/replay_readme.py"
  fi
}

sanitized() {
  build "sanitizers" asan -DHELLORA_TORCH_FREE=ON && UBSAN_OPTIONS=print_stacktrace=1 ctest_stage "sanitizers: tests" build/asan
  if compgen -G 'tests/fuzz/fuzz_*.cpp' >/dev/null; then
    build "fuzz" tidy -DFUZZ_SECONDS=20 && ctest_stage "fuzz: 20 s a target" build/tidy -L fuzz
  else
    absent "fuzz" "tests/fuzz/fuzz_*.cpp"
  fi
  stage "clang-tidy" bash tools/tidy.sh
}

# One function, so that an edit of this file while it runs changes nothing.
main() {
  local mode=${1:-all}
  case "$mode" in
    all | fast) ;;
    *) echo "unknown argument $mode: expected fast or nothing"; failed=1; summary ;;
  esac
  bash scripts/setup.sh --tests || { failed=1; summary; }
  checks
  if build "ci" ci -DHELLORA_TORCH="$(bash scripts/setup.sh --torch)"; then
    ctest_stage "unit, conformance, golden" build/ci -L 'unit|conformance|golden'
    [ "$mode" = fast ] || end_to_end
  fi
  [ "$mode" = fast ] || sanitized
  summary
}

main "$@"
