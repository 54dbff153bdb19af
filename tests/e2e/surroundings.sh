#!/usr/bin/env bash
# What surrounds the program: special files as input and output, descriptors, limits, names that are no UTF-8, files that change under
# it, text that acts on a terminal. Each gives its result, or one line "error: …" and exit code 2, at once.
source tests/e2e/lib.sh
model=$scratch/model
data=$scratch/rows.jsonl
short=$scratch/short.jsonl

said() { grep -q -- "$1" "$scratch/err"; }
ended() { [ "$status" -eq "$1" ] || { echo "exit code $status instead of $1: $(tail -n 3 "$scratch/err")"; return 1; }; }
one_error() { [ "$(grep -c '^error: ' "$scratch/err")" -eq 1 ] || { cat "$scratch/err"; return 1; }; }
quick() { timeout 60 "$hellora" "$@"; }

# A name, a text that the error must hold, a command: exit code 2, exactly one error, and no other line that claims to be one.
refused() {
  local name=$1 wanted=$2
  shift 2
  "$@" >"$scratch/out" 2>"$scratch/err"
  status=$?
  check "$name: exit code 2" ended 2
  check "$name: one error" one_error
  check "$name: says \"$wanted\"" said "$wanted"
}

evaluate=(eval --quiet --model "$model" --data "$short")

special_input() {
  local file folder
  for file in config.json model.safetensors tokenizer.json tokenizer_config.json; do
    folder=$scratch/pipe-$file
    cp -r "$model" "$folder"
    rm -f "$folder/$file"
    mkfifo "$folder/$file"
    refused "pipe as $file" 'not a regular file' quick eval --model "$folder" --data "$short"
  done
  mkfifo "$scratch/pipe.jsonl"
  refused "pipe as data" 'cannot read .*pipe.jsonl: not a regular file' quick eval --model "$model" --data "$scratch/pipe.jsonl"
  refused "device as data" '/dev/zero: not a regular file' quick eval --model "$model" --data /dev/zero
  refused "pipe as ids" 'not a regular file' quick forward --model "$model" --ids "$scratch/pipe.jsonl" --out "$scratch/x"
  refused "pipe as configuration" 'not a regular file' quick train "$scratch/pipe.jsonl"
  cp -r "$model" "$scratch/lfs"
  printf 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n' \
    >"$scratch/lfs/model.safetensors"
  refused "Git LFS pointer" 'model.safetensors: a Git LFS pointer: the weights were not downloaded' quick eval --model "$scratch/lfs" --data "$short"
}

same_result() { grep -q '"perplexity"' "$1"; }

special_output() {
  works "device as output" "${evaluate[@]}" --out /dev/null
  check "the device is one still" test -c /dev/null
  mkfifo "$scratch/result.pipe"
  (timeout 60 cat "$scratch/result.pipe" >"$scratch/piped") &
  works "pipe as output" "${evaluate[@]}" --out "$scratch/result.pipe"
  wait $!
  check "the pipe is one still" test -p "$scratch/result.pipe"
  check "the pipe was written to" same_result "$scratch/piped"
  refused "pipe that nobody reads" 'nobody reads there' quick "${evaluate[@]}" --out "$scratch/result.pipe"
  mkdir "$scratch/elsewhere"
  echo old >"$scratch/elsewhere/target"
  ln -s elsewhere/target "$scratch/link"
  works "link as output" "${evaluate[@]}" --out "$scratch/link"
  check "the link is one still" test -L "$scratch/link"
  check "the link's target was written" same_result "$scratch/elsewhere/target"
  "$hellora" "${evaluate[@]}" --out /dev/stdout >"$scratch/stdout.json" 2>"$scratch/err"
  check "/dev/stdout as output" same_result "$scratch/stdout.json"
  "$hellora" "${evaluate[@]}" --out /dev/stdout 2>"$scratch/err" | cat >"$scratch/stdout.json"
  check "/dev/stdout as output, a pipe" same_result "$scratch/stdout.json"
  refused "full device as output" 'cannot write /dev/full: No space' quick "${evaluate[@]}" --out /dev/full
  refused "folder as output" 'Is a directory' quick "${evaluate[@]}" --out "$scratch/elsewhere"
  if mknod "$scratch/null" c 1 3 2>/dev/null && : >"$scratch/null"; then
    works "own device as output" "${evaluate[@]}" --out "$scratch/null"
    check "own device: stays" test -c "$scratch/null"
  fi
  check "no temporary file left" test -z "$(find "$scratch" -name '*.tmp-*')"
}

standard_output() {
  local -a command
  while read -ra command; do
    refused "full standard output: ${command[*]}" 'cannot write standard output: No space' \
      sh -c 'exec "$@" >/dev/full' - timeout 60 "$hellora" "${command[@]}"
    refused "closed standard output: ${command[*]}" 'cannot write standard output: Bad file' \
      sh -c 'exec "$@" >&-' - timeout 60 "$hellora" "${command[@]}"
  done <<<"eval --json --quiet --model $model --data $short
eval --quiet --model $model --data $short
inspect $model
inspect --json $model
archs
methods --json
--help
eval --help
--version
generate --quiet --model $model --prompt a --max-new-tokens 4
count --model $model"
  { "$hellora" inspect --json "$model" 2>"$scratch/err"; echo $? >"$scratch/status"; } | true
  status=$(cat "$scratch/status")
  check "broken pipe: exit code 2" ended 2
  check "broken pipe: says so" said 'cannot write standard output: Broken pipe'
  check "closed standard input" sh -c 'exec "$@" <&-' - "$hellora" "${evaluate[@]}"
}

settings=("recipe=hellora" "model=$model" "data.train=$data" select.mode=base select.k=2 adapter.rank=4 train.max_steps=3 train.micro_batch_tokens=512)

only_json() { ! grep -v '^{' "$1"; }

descriptors() {
  (
    exec 2>&-
    "$hellora" train "${settings[@]}" "output=$scratch/closed"
  )
  check "standard error closed: exit code 0" test $? -eq 0
  check "standard error closed: metrics hold metrics" only_json "$scratch/closed/metrics.jsonl"
  (
    exec 0<&- 1>&- 2>&-
    "$hellora" train --quiet "${settings[@]}" "output=$scratch/all"
  )
  check "all closed: exit code 0" test $? -eq 0
  check "all closed: same adapter" same_files "$scratch/closed" "$scratch/all" adapter/adapter_model.safetensors
  { "$hellora" train "${settings[@]}" "output=$scratch/broken" 2>&1; echo $? >"$scratch/status"; } | head -n 1 >/dev/null
  check "messages into a broken pipe: the run ends well" test "$(cat "$scratch/status")" -eq 0
  check "messages into a broken pipe: same adapter" same_files "$scratch/closed" "$scratch/broken" adapter/adapter_model.safetensors
}

no_temporary() { [ -z "$(find "$1" -name '.*.tmp-*')" ] || find "$1" -name '.*.tmp-*'; }

limits() {
  (
    ulimit -f 64
    exec "$hellora" train --quiet "${settings[@]}" "output=$scratch/large"
  ) >"$scratch/out" 2>"$scratch/err"
  status=$?
  check "limit of a file's size: exit code 2" ended 2
  check "limit of a file's size: names the file" said 'cannot write .*: File too large'
  check "limit of a file's size: nothing temporary" no_temporary "$scratch/large"
  (
    ulimit -s 64
    OMP_NUM_THREADS=2 exec "$hellora" "${evaluate[@]}"
  ) >"$scratch/out" 2>"$scratch/err"
  status=$?
  check "64 KiB of stack" ended 0
  if [ "$(id -u)" -eq 0 ] && command -v setpriv prlimit >/dev/null; then
    chmod -R a+rX "$scratch"
    fewer_threads
  fi
}

# Another user may not make a thread: the same result with those that there are.
fewer_threads() {
  OMP_NUM_THREADS=2 setpriv --reuid=65534 --clear-groups prlimit --nproc=1 "$hellora" eval --json --model "$model" --data "$short" \
    >"$scratch/few.json" 2>"$scratch/err"
  status=$?
  check "no more threads: exit code 0" ended 0
  check "no more threads: says so" said '^warning: only 1 of 2 threads can be made'
  need eval --json --quiet --model "$model" --data "$short"
  check "no more threads: same result" cmp "$scratch/out" "$scratch/few.json"
}

places() {
  local odd=$scratch/$'mod\xe8le' here=$PWD
  cp -r "$model" "$odd"
  refused "model's name no UTF-8" 'argument 4 is not valid UTF-8: model=.*mod\\xE8le' \
    quick train --quiet recipe=hellora "model=$odd" "data.train=$data" "output=$scratch/late" train.max_steps=1
  check "model's name no UTF-8: nothing written" test ! -e "$scratch/late"
  refused "output's name no UTF-8" 'not valid UTF-8' quick train --quiet "${settings[@]}" "output=$scratch/"$'\xff'
  refused "option's value no UTF-8" 'not valid UTF-8' quick inspect "$odd"
  refused "option's value no UTF-8, json" 'not valid UTF-8' quick inspect --json "$odd"
  printf 'recipe: hellora\nmodel: mod\xe8le\n' >"$scratch/latin.yaml"
  refused "YAML no UTF-8" 'latin.yaml: not valid UTF-8' quick train "$scratch/latin.yaml"
  printf 'recipe: hellora\nmodel: "%s\\0x"\ndata: {train: "%s"}\noutput: "%s"\n' "$model" "$data" "$scratch/nul" >"$scratch/nul.yaml"
  refused "a NUL in a path" 'NUL' quick train --quiet "$scratch/nul.yaml"
  ln -s "$odd" "$scratch/utf8-link"
  works "a link to it" train --quiet "${settings[@]}" "model=$scratch/utf8-link" "output=$scratch/linked"
  mkdir "$scratch/gone"
  refused "no current folder" 'current folder' sh -c "cd '$scratch/gone' && rmdir '$scratch/gone' && exec \"\$@\"" - "$(realpath "$hellora")" "${evaluate[@]}"
  refused "current folder no UTF-8" 'current folder' sh -c "cd '$odd' && exec \"\$@\"" - "$(realpath "$hellora")" "${evaluate[@]}"
  cd "$here" || exit 1
  ln -s loop "$scratch/loop"
  local long
  long=$(printf 'x%.0s' {1..300})
  for path in "$long" "$scratch/loop" "$scratch/$long" "$data/x"; do
    refused "inspect ${path:0:40}" 'cannot read\|no such file' quick inspect "$path"
    refused "init into ${path:0:40}" 'cannot' quick init --arch olmoe-1b-7b --tiny --layers 1 --out "$path/x"
  done
}

shrinking_file() {
  need init --quiet --arch olmoe-1b-7b --layers 1 --out "$scratch/big"
  echo '{"input_ids": [[5,6,7]]}' >"$scratch/ids.json"
  local size=0 try
  # The moment must fall into the reading of some hundred MB: later tries wait longer for it.
  for try in 5 10 20 40 80 160; do
    cp "$scratch/big/model.safetensors" "$scratch/whole"
    OMP_NUM_THREADS=1 "$hellora" forward --model "$scratch/big" --ids "$scratch/ids.json" --out "$scratch/f" >"$scratch/out" 2>"$scratch/err" &
    local process=$!
    hurry=yes until_true "$process" grep -q 'big/model.safetensors' "/proc/$process/maps"
    sleep "$(printf '0.%03d' "$try")"
    truncate -s 200000 "$scratch/big/model.safetensors"
    wait "$process"
    status=$?
    mv "$scratch/whole" "$scratch/big/model.safetensors"
    [ $status -eq 0 ] || break
    size=$((size + 1))
  done
  check "a file that shrinks: exit code 2" ended 2
  check "a file that shrinks: one error" one_error
  check "a file that shrinks: says so" said "cannot read $scratch/big/model.safetensors: the file shrank while it was read\|cannot read"
  rm -rf "$scratch/big"
}

bounded() {
  python3 -c "import json;print(json.dumps({'text':'a'+'\u0315\u0301\u0323'*50000},ensure_ascii=False))" >"$scratch/marks.jsonl"
  echo '{"text": "a few words"}' >>"$scratch/marks.jsonl"
  check "many combining marks" timeout 60 "$hellora" eval --quiet --model "$model" --data "$scratch/marks.jsonl"
  python3 -c "import json;print(json.dumps({'question':'a','answer':'#### '+'1'*1000000}))" >"$scratch/digits.jsonl"
  works "a long number as the answer" eval --quiet --model "$model" --task gsm8k --data "$scratch/digits.jsonl" --max-new-tokens 2
  printf 'recipe: hellora\n%s: 1\n' "$(head -c 500000 /dev/zero | tr '\0' t)" >"$scratch/key.yaml"
  refused "a very long key" 'key' timeout 20 "$hellora" train "$scratch/key.yaml"
}

# No byte that acts, outside of colours of our own.
harmless() { ! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$1" || { cat -v "$1" | head -n 5; return 1; }; }

# A file that gets what the command writes to its terminal, then the command.
on_terminal() {
  python3 -c 'import os, pty, sys
def read(descriptor):
    data = os.read(descriptor, 65536)
    with open(sys.argv[1], "ab") as out:
        out.write(data)
    return data
pty.spawn(sys.argv[2:], read)' "$@" </dev/null >/dev/null
}

terminal() {
  local nasty=$'\x1b]0;owned\x07\x1b[2J\nerror: forged'
  need train --quiet "${settings[@]}" "output=$scratch/run"
  cp -r "$scratch/run/adapter" "$scratch/nasty"
  python3 -c 'import json, sys
path = sys.argv[1] + "/hellora.json"
ours = json.load(open(path))
ours["model_hash"] = sys.argv[2]
ours["plan"]["policy"] = sys.argv[2]
json.dump(ours, open(path, "w"))' "$scratch/nasty" "$nasty"
  call eval --model "$model" --adapter "$scratch/nasty" --data "$short"
  check "text of a file in a message" harmless "$scratch/err"
  check "text of a file in a message: shown" said '\\x1B\]0;owned'
  check "text of a file in a message: no forged line" differs_forged
  call inspect "$scratch/nasty"
  check "text of a file in inspect" harmless "$scratch/out"
  printf '%s\n' '{"text": "a\u001b]0;owned\u0007b\u009bc"}' >"$scratch/nasty.jsonl"
  call inspect --data "$scratch/nasty.jsonl" --model "$model"
  check "text of a record in inspect --data" harmless "$scratch/out"
  call inspect "$scratch/no"$'\x1b[2J'
  check "an argument in a message" harmless "$scratch/err"
  call "tr"$'\x1b[2J'
  check "an unknown command in a message" harmless "$scratch/err"
  call eval --modle"$nasty" x
  check "an unknown option in a message" harmless "$scratch/err"
  on_terminal "$scratch/typescript" env NO_COLOR=1 TERM=xterm "$hellora" eval --model "$scratch/none" --data "$short"
  differs "NO_COLOR on a terminal" grep -q $'\x1b' "$scratch/typescript"
  check "NO_COLOR on a terminal: the message" grep -q 'error: ' "$scratch/typescript"
  on_terminal "$scratch/coloured" env -u NO_COLOR TERM=xterm "$hellora" eval --model "$scratch/none" --data "$short"
  check "colours on a terminal" grep -q $'\x1b' "$scratch/coloured"
}
differs_forged() { [ "$(grep -c '^error: forged' "$scratch/err")" -eq 0 ]; }

leftovers() {
  local out=$scratch/results.json
  echo half >"$scratch/.results.json.tmp-1-0"
  works "a new result" "${evaluate[@]}" --out "$out"
  check "what a killed writer left is gone" test ! -e "$scratch/.results.json.tmp-1-0"
}

rows 1,20 >"$data"
rows 1,2 >"$short"
tiny_model "$model" 1
special_input
special_output
standard_output
descriptors
limits
places
shrinking_file
bounded
terminal
leftovers
finish
