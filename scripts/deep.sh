# The deep stages, `scripts/test.sh deep`: slower than a newcomer should wait for. Sourced by scripts/test.sh.

# The revision that clang-tidy compares with: where this branch left main, or the last tag; nothing (all files) where git knows neither.
tidy_base() {
  local main base
  for main in origin/main main; do
    base=$(git merge-base HEAD "$main" 2>/dev/null) || continue
    [ "$base" = "$(git rev-parse HEAD)" ] || { printf '%s\n' "$base"; return; }
  done
  git describe --tags --abbrev=0 2>/dev/null
}

# One torch-free build under the sanitizers serves the unit tests and the fuzz targets.
deep() {
  if build "deep" deep -DFUZZ_SECONDS=20; then
    UBSAN_OPTIONS=print_stacktrace=1 ctest_stage "sanitizers: tests" build/deep -L 'unit|conformance|golden'
    ctest_stage "fuzz: 20 s a target" build/deep -L fuzz
  fi
  # shellcheck disable=SC2046  # no revision is no argument
  stage "clang-tidy" bash tools/tidy.sh $(tidy_base)
  if [ -x build/ci/bin/hellora ]; then stage "package" bash tests/package/run.sh; else absent "package" "build/ci"; fi
}
