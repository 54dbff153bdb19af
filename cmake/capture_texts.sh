#!/usr/bin/env bash
# Writes what the program prints at every start (help, version, tables) to files named after the command line, for the launcher.
#   cmake/capture_texts.sh PROGRAM FOLDER TABLE…      TABLE: a command that prints the same table each time
set -u
program=$1 folder=$2
shift 2
tables=("$@")
unset HELLORA_KERNEL
rm -rf "$folder" "$folder.new" && mkdir -p "$folder.new" || exit 1

# A line is kept when the program ends well, says nothing beside it and prints something.
capture() {  # folder, program, words
  local folder=$1 program=$2 name text complaint
  shift 2
  name="hellora $*" text="$folder/hellora $*"
  complaint=$("$program" "$@" 2>&1 >"$text" </dev/null) && [ -z "$complaint" ] && [ -s "$text" ] && return
  rm -f "$text"
  printf 'capture_texts: %s: no text%s\n' "$name" "${complaint:+: $complaint}"
}
export -f capture

capture_lines() { xargs -d '\n' -P "$(nproc)" -I LINE bash -c 'capture "$0" "$1" $2' "$folder.new" "$program" LINE; }

# Names at the start of a help text's indented lines. Words that are no command are refused by the program and left out.
words_in() { sed -nE 's/^  ([a-z][a-z_-]*)( .*)?$/\1/p' "$1" | grep -vx hellora | sort -u; }

printf '%s\n' --help --version | capture_lines
[ -s "$folder.new/hellora --help" ] || { echo "capture_texts: $program --help prints nothing"; exit 1; }
mapfile -t commands < <(words_in "$folder.new/hellora --help")
{
  printf '%s --help\n' "${commands[@]}"
  for table in "${tables[@]}"; do printf '%s\n' "${commands[@]}" | grep -x "$table"; done
} | capture_lines
for command in "${commands[@]}"; do
  text="$folder.new/hellora $command --help"
  grep -q '^Usage: .*SUBCOMMAND' "$text" 2>/dev/null && words_in "$text" | sed "s/.*/$command & --help/"
done | capture_lines

# "help" and "help COMMAND" where the program knows them.
if "$program" help 2>/dev/null </dev/null | cmp -s - "$folder.new/hellora --help"; then
  cp "$folder.new/hellora --help" "$folder.new/hellora help"
  for command in "${commands[@]}"; do
    text="$folder.new/hellora $command --help"
    [ ! -f "$text" ] || cp "$text" "$folder.new/hellora help $command"
  done
fi

# The program alone: its help as a complaint.
"$program" >"$folder.new/out" 2>"$folder.new/err" </dev/null
[ $? -eq 2 ] && [ ! -s "$folder.new/out" ] && cmp -s "$folder.new/err" "$folder.new/hellora --help" && cp "$folder.new/err" "$folder.new/hellora"
rm -f "$folder.new/out" "$folder.new/err"
mv "$folder.new" "$folder"
