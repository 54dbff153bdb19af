#!/usr/bin/env bash
# Checks that every C++ file is laid out as .clang-format says; with --fix it rewrites them.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
format=$(command -v clang-format-16) || { echo "clang-format-16 is not installed (scripts/setup.sh --tests installs it)"; exit 1; }
mapfile -t files < <(find hellora tests bench -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) 2>/dev/null | sort)
[ ${#files[@]} -gt 0 ] || { echo "no C++ files here"; exit 1; }
if [ "${1:-}" = --fix ]; then exec "$format" -i "${files[@]}"; fi
faults=$("$format" --dry-run --Werror --ferror-limit=1 "${files[@]}" 2>&1 | sed -n 's/^\([^: ]*:[0-9]*\):[0-9]*: error: .*/\1: not formatted (tools\/check_format.sh --fix)/p')
if [ -n "$faults" ]; then printf '%s\n' "$faults"; exit 1; fi
echo "format: ok"
