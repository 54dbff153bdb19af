#!/usr/bin/env bash
# The launcher: prints what the program itself prints, without libtorch, and is the program in everything else.
source tests/e2e/lib.sh

folder=$(cd "$(dirname "$hellora")/.." && pwd)
program=$folder/libexec/hellora/hellora texts=$folder/libexec/hellora/texts
[ -x "$program" ] || { fail "no program beside the launcher" "$program"; finish; }

# Exit code and both streams of a program; "$@": program, arguments.
ending() {
  local folder
  folder=$(mktemp -d "$scratch/ending-XXXXXX")
  "$@" >"$folder/stdout" 2>"$folder/stderr" </dev/null
  printf 'exit code %s\n' $?
  cat "$folder/stdout" - "$folder/stderr" <<<"-- stderr:"
}

same() { diff <(ending "$hellora" "$@") <(ending "$program" "$@"); }

# A copy of the installation without the texts, or with another program in the place of the real one.
copy_of_launcher() {  # name, program
  mkdir -p "$scratch/$1/bin" "$scratch/$1/libexec/hellora"
  cp "$hellora" "$scratch/$1/bin/hellora"
  [ -z "$2" ] || cp "$2" "$scratch/$1/libexec/hellora/hellora"
}

# Every text, by every spelling of its command line.
stored=0
while IFS= read -r -d '' text; do
  stored=$((stored + 1))
  read -ra words <<<"$(basename "$text")"
  words=("${words[@]:1}")
  check "stored: ${words[*]:-nothing}" same ${words[@]+"${words[@]}"}
done < <(find "$texts" -type f -print0)
check "texts are stored" test $stored -ge 20
for table in archs methods policies tasks; do check "the table of $table is stored" test -s "$texts/hellora $table"; done
while read -r command; do check "help of $command is stored" test -s "$texts/hellora $command --help"; done < <("$program" --help | sed -nE 's/^  ([a-z]+) .*/\1/p' | grep -vx hellora)
for words in "" "-h" "help" "run -h" "help run" "bench kernels -h" "help help" "help nothing" "help run run" "-h run" "run --help --quiet"; do
  read -ra words <<<"$words"
  check "as the program: ${words[*]:-nothing}" same ${words[@]+"${words[@]}"}
done

# What is not stored comes from the program: exit codes, messages, JSON.
for words in "archs --json" "archs --nonsense" "nonsense" "train" "archs extra" "eval --model nowhere --data nowhere" "--version --nonsense"; do
  read -ra words <<<"$words"
  check "passed on: ${words[*]}" same "${words[@]}"
done
check "an empty argument is passed on" same ""
check "an argument with a line break is passed on" same $'archs\n'

# Without libtorch, and without the texts.
check "the launcher loads no libtorch" bash -c '! ldd "$0" | grep -Eq "torch|gomp"' "$hellora"
copy_of_launcher texts-only ""
cp -r "$texts" "$scratch/texts-only/libexec/hellora/"
check "texts need no program" diff <("$scratch/texts-only/bin/hellora" archs) <("$program" archs)
ln -s "$scratch/texts-only/bin/hellora" "$scratch/link"
check "found through a link" diff <("$scratch/link" --version) <("$program" --version)
lonely() { "$scratch/texts-only/bin/hellora" archs --json 2>"$scratch/err"; [ $? -eq 2 ] && grep -q 'libexec/hellora/hellora: No such file' "$scratch/err"; }
check "a launcher alone says what is missing" lonely
printf '#!/bin/bash\nprintf "%%s|" "$@" "${GOMP_SPINCOUNT-unset}" "${OMP_WAIT_POLICY-unset}"\nexit 7\n' >"$scratch/echo"
chmod +x "$scratch/echo"
copy_of_launcher passing "$scratch/echo"
passing() { [ "$(env -u OMP_WAIT_POLICY "$scratch/passing/bin/hellora" "$@")" = "$expected" ]; }
code() { "$scratch/passing/bin/hellora" archs; [ $? -eq 7 ]; }
check "the program's exit code" code >/dev/null
spin=$(env -u OMP_WAIT_POLICY "$scratch/passing/bin/hellora" x | cut -d'|' -f2)
check "waiting threads spin for a short while" test "$spin" -ge 0
expected="a b||*|$spin|unset|" check "arguments arrive as they are" passing "a b" "" "*"
expected="x|7|unset|" GOMP_SPINCOUNT=7 check "a person's own count stays" passing x
own_policy() { [ "$(OMP_WAIT_POLICY=active "$scratch/passing/bin/hellora" x)" = "x|unset|active|" ]; }
check "a person's own policy stays" own_policy

# One process: what is started is what ends, by signals too.
rows 1,40 >"$scratch/train.jsonl"
"$hellora" train --quiet recipe=hellora "model=$base" "data.train=$scratch/train.jsonl" "output=$scratch/run" select.mode=base select.k=4 \
  adapter.rank=4 train.max_steps=100000 train.micro_batch_tokens=256 2>"$scratch/err" &
process=$!
check "the training begins" until_true $process test -s "$scratch/run/metrics.jsonl"
check "the process is the program" test "$(readlink "/proc/$process/exe")" -ef "$program"
kill -INT $process 2>/dev/null || kill -TERM $process
# A script's background processes ignore SIGINT from the start; SIGTERM does the same work.
sleep 0.5
kill -TERM $process 2>/dev/null
wait $process
check "a signal to the process reaches the program" test $? -eq 130
check "which saved its work" test -s "$(find "$scratch/run" -name state.json | head -n 1)"

# Streams that cannot be written: the program's own answer.
full() { diff <("$hellora" archs 2>&1 >/dev/full; echo $?) <("$program" archs 2>&1 >/dev/full; echo $?); }
check "a full disk behind standard output" full
closed() { diff <("$hellora" archs 2>&1 >&-; echo $?) <("$program" archs 2>&1 >&-; echo $?); }
check "standard output closed" closed
finish
