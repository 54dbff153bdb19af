#!/usr/bin/env bash
# Runs clang-tidy-16 over the sources that build without libtorch.
#   tools/tidy.sh [BASE] [FOLDER…]   all of them; with a revision BASE those that changed since, or include a header that did
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
base=
if [ $# -gt 0 ] && [ ! -d "hellora/$1" ]; then
  git rev-parse --verify --quiet "$1^{commit}" >/dev/null || { echo "tidy: $1 is neither a revision nor a folder of hellora/"; exit 1; }
  base=$1
  shift
fi
folders=("$@")
[ $# -gt 0 ] || folders=(core io text kernels data)
mkdir -p build/logs
cmake --preset tidy >build/logs/tidy_configure.log 2>&1 || { tail -n 20 build/logs/tidy_configure.log; exit 1; }

sources() { for folder in "${folders[@]}"; do find "hellora/$folder" -name '*.cpp' 2>/dev/null; done | sort; }
changed() { { git diff --name-only "$base"; git ls-files --others --exclude-standard; } | grep '^hellora/'; }
# Other rules are a change of every file.
[ -z "$base" ] || git diff --quiet "$base" -- .clang-tidy || base=
pattern=$(changed 2>/dev/null | sed 's/[.]/\\./g' | paste -sd'|')
files=()
while IFS= read -r file; do
  if [ -n "$base" ]; then
    [ -n "$pattern" ] || continue
    { printf '%s\n' "$file"; grep '^#include' "$file"; } | grep -Eq "($pattern)" || continue
  fi
  files+=("$file")
done < <(sources)
[ ${#files[@]} -gt 0 ] || { echo "tidy: no files to check"; exit 0; }
# Only stdout holds findings; stderr counts suppressed warnings.
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "${HELLORA_JOBS:-$(nproc)}" clang-tidy-16 -p build/tidy --quiet 2>build/logs/tidy_stderr.log
status=$?
if [ $status -eq 0 ]; then echo "tidy: ${#files[@]} files, ok"; else grep -h 'error:' build/logs/tidy_stderr.log | head; fi
exit $status
