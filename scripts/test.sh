#!/usr/bin/env bash
# The tests of the project, cheapest first; the last line is "N passed, N failed" and the exit code follows it.
#   scripts/test.sh        everything but the deep stages
#   scripts/test.sh fast   the checks, the build and the fast tests
#   scripts/test.sh deep   sanitizers, fuzzing, clang-tidy and the package (scripts/deep.sh)
#   scripts/test.sh ci     all of them
# Each stage prints one line; logs are in build/logs/.
source "$(dirname "${BASH_SOURCE[0]}")/stages.sh" || exit 1
source scripts/deep.sh || exit 1

checks() {
  local check
  for check in check_layers check_sizes lint_determinism lint_files; do
    [ -f "tools/$check.py" ] || continue
    stage "$check self-test" python3 "tools/$check.py" --self-test
    stage "$check" python3 "tools/$check.py"
  done
  stage "check_format" bash tools/check_format.sh
}

# Whole commands. Most scripts keep one core busy, so that they run side by side; the long ones begin.
end_to_end() {
  export HELLORA=$root/build/ci/bin/hellora
  local script stages=("interop|timeout 1800 bash tests/interop/run.sh" "README replay|timeout 1800 python3 tests/docs/replay_readme.py"
                       "consumer|timeout 1800 bash tests/consumer/run.sh")
  for script in tests/e2e/*.sh; do
    case "$(basename "$script")" in lib*.sh) continue ;; esac
    stages+=("e2e $(basename "$script" .sh)|timeout 1200 bash $script")
  done
  side_by_side "${stages[@]}"
}

# One function, so that an edit of this file while it runs changes nothing.
main() {
  local mode=${1:-all}
  case "$mode" in
    all | fast | deep | ci) ;;
    *) echo "unknown argument $mode: expected fast, deep, ci or nothing"; failed=1; summary ;;
  esac
  bash scripts/setup.sh --tests || { failed=1; summary; }
  if [ "$mode" != deep ]; then
    checks
    if build "ci" ci -DHELLORA_TORCH="$(bash scripts/setup.sh --torch)"; then
      ctest_stage "unit, conformance, golden" build/ci -L 'unit|conformance|golden'
      [ "$mode" = fast ] || end_to_end
    fi
  fi
  case "$mode" in deep | ci) deep ;; esac
  summary
}

main "$@"
