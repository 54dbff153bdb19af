# Stages of the test run: what each prints, counts and logs. Sourced by scripts/test.sh and scripts/deep.sh.
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

log_of() { printf '%s/%s.log' "$logs" "$(printf '%s' "$1" | tr -c 'A-Za-z0-9_\n' _)"; }

# A command is one check, unless its log ends in a line "N passed, N failed".
stage() {
  local name=$1 log status start=$SECONDS
  log=$(log_of "$name")
  shift
  "$@" >"$log" 2>&1 </dev/null
  status=$?
  report_command "$name" $((SECONDS - start)) $status "$log"
}

report_command() {  # name, seconds, exit status, log
  local name=$1 seconds=$2 status=$3 log=$4 counts good bad skipped
  counts=$(grep -Eo '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
  if [ -n "$counts" ]; then
    good=${counts%% *} bad=${counts#*, }
    bad=${bad%% *}
    if [ $((good + bad)) -eq 0 ] || { [ $status -ne 0 ] && [ "$bad" -eq 0 ]; }; then bad=$((bad + 1)); fi
  else
    good=$((status == 0)) bad=$((status != 0))
  fi
  skipped=$(grep -c '^skipped: ' "$log")  # each says why
  report "$name" "$seconds" "$good" "$bad" "$log" "$([ "$skipped" -eq 0 ] || printf ', %s skipped' "$skipped")"
}

# Starts commands side by side, `jobs` at a time, each with its own log; each is reported when it has ended.
# $@: "name|command" each
side_by_side() {
  local entry name log waiting=("$@") running=()
  while [ ${#waiting[@]} -gt 0 ] || [ ${#running[@]} -gt 0 ]; do
    while [ ${#waiting[@]} -gt 0 ] && [ ${#running[@]} -lt "$jobs" ]; do
      entry=${waiting[0]} waiting=("${waiting[@]:1}") name=${entry%%|*}
      log=$(log_of "$name")
      rm -f "$log.ended"
      (
        start=$SECONDS
        bash -c "${entry#*|}" >"$log" 2>&1 </dev/null
        printf '%s %s\n' $? $((SECONDS - start)) >"$log.ended"
      ) &
      running+=("$!|$name")
    done
    wait -n 2>/dev/null
    report_ended
  done
}

# Reports and takes out of `running` what has ended; what was killed before it could say how it ended has failed.
report_ended() {
  local entry name log seconds status still=()
  for entry in ${running[@]+"${running[@]}"}; do
    if kill -0 "${entry%%|*}" 2>/dev/null; then still+=("$entry"); continue; fi
    name=${entry#*|} log=$(log_of "${entry#*|}") status=137 seconds=0
    [ ! -s "$log.ended" ] || read -r status seconds <"$log.ended"
    rm -f "$log.ended"
    report_command "$name" "$seconds" "$status" "$log"
  done
  running=(${still[@]+"${still[@]}"})
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
  log=$(log_of "$name")
  junit=${log%.log}.xml
  shift 2
  rm -f "$junit"
  ctest --test-dir "$build" --output-on-failure --timeout 600 --output-junit "$junit" -j "$jobs" "$@" >"$log" 2>&1 </dev/null
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

build() {  # name, preset, then cmake options
  local name=$1 preset=$2
  shift 2
  stage "$name: configure" cmake --preset "$preset" "$@" && stage "$name: build" cmake --build "build/$preset" --parallel "$jobs"
}
