#!/usr/bin/env bash
# Values that are not finite, in models, adapters, merges and exports: exit code 3 with the place, nothing printed as a result and
# nothing left under the name of the result; what holds them where nobody looks is as good as before.
source tests/e2e/lib.sh
model=$scratch/model
run=$scratch/run
data=$scratch/data.jsonl
out=$scratch/result

cat >"$scratch/poke.py" <<'PY'
"""poke.py FOLDER_OR_FILE REGEX ROW|all nan|inf|-inf|big: sets a row of the first tensor whose name matches, or all of it."""
import re, struct, sys
from lib_tensors import read, write
path, pattern, row, value = sys.argv[1:]
import os
file = next(p for p in (path, path + "/model.safetensors", path + "/adapter_model.safetensors") if os.path.isfile(p))
tensors = read(file)
name = next(n for n in sorted(tensors) if re.search(pattern, n))
dtype, shape, data = tensors[name]
number = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"), "big": 3e38}[value]
one = struct.pack("<f", number)[2:] if dtype == "BF16" else struct.pack("<f", number)
width = len(data) // shape[0]
first, last = (0, shape[0]) if row == "all" else (int(row), int(row) + 1)
data = data[: first * width] + one * ((last - first) * width // len(one)) + data[last * width :]
tensors[name] = (dtype, shape, data)
write(file, tensors)
PY
poke() { python3 "$scratch/poke.py" "$@"; }

# Exit code 3 and one line "error: …" that matches, no result.
stops() {  # pattern, command
  local wanted=$1 status seen=""
  shift
  call "$@"
  status=$?
  [ $status -eq 3 ] || seen="exit code $status instead of 3"
  grep '^error: ' "$scratch/err" | grep -Eq -- "$wanted" || seen="$seen; the error does not say: $wanted"
  [ "$(grep -c '^error: ' "$scratch/err")" -eq 1 ] || seen="$seen; not one error"
  ! grep -Eqi 'null|nan|inf' "$scratch/out" || seen="$seen; a result that is no number"
  [ ! -e "$out" ] || seen="$seen; $out was written"
  [ -z "$(find "$scratch" -maxdepth 1 -name '.result*')" ] || seen="$seen; something temporary is left"
  rm -rf "$out"
  if [ -z "$seen" ]; then pass; else fail "$*" "${seen#; }" "$(head -n 3 "$scratch/err")"; fi
}

refuses() {  # pattern, command: exit code 2 and one line
  local wanted=$1
  shift
  call "$@"
  check "$*" test $? -eq 2
  check "$*: says $wanted" grep -q "^error: .*$wanted" "$scratch/err"
}

spoiled_models() {
  local bad folder
  echo '{"input_ids": [[5, 6, 7, 8], [9, 10, 11, 12]]}' >"$scratch/ids.json"
  for bad in nan inf; do
    folder=$scratch/norm_$bad
    cp -r "$model" "$folder" && poke "$folder" '^model.norm.weight' 3 $bad
    stops 'record 1 of the data is nan' eval --json --model "$folder" --data "$data"
    stops 'record 1' eval --model "$folder" --data "$data" --out "$out"
    stops 'prompt 1, position' generate --json --model "$folder" --prompt hello --max-new-tokens 3
    stops 'prompt 1, position' generate --model "$folder" --prompt hello --temperature 1 --max-new-tokens 3
    stops 'prompt 1, position' eval --task gsm8k --model "$folder" --data "$data" --max-new-tokens 3
    stops 'row 0, position 0' forward --model "$folder" --ids "$scratch/ids.json" --out "$out"
    stops '(record|layer)' profile --mode base --model "$folder" --data "$data" --out "$out"
    stops 'step 1: loss' profile --mode warmup --model "$folder" --data "$data" --out "$out"
    folder=$scratch/router_$bad
    cp -r "$model" "$folder" && poke "$folder" 'layers.1.mlp.gate.weight' 2 $bad
    stops 'layer 1: the router' eval --json --model "$folder" --data "$data"
    stops 'layer 1: the router' profile --mode base --model "$folder" --data "$data" --out "$out"
    stops 'layer 1: the router' forward --model "$folder" --ids "$scratch/ids.json" --out "$out"
    stops 'prompt 1' generate --json --model "$folder" --prompt hello --max-new-tokens 3
  done
}

spoiled_adapters() {
  local bad where with
  for bad in nan inf -inf; do
    for where in 'q_proj.lora_A' 'experts.*down_proj.lora_B'; do
      rm -rf "$scratch/bad" && cp -r "$run/adapter" "$scratch/bad" && poke "$scratch/bad" "$where" 1 $bad
      with=(--model "$model" --adapter "$scratch/bad")
      stops 'lora_[AB]' merge "${with[@]}" --out "$out"
      stops 'lora_[AB]' export "${with[@]}" --format peft-full --out "$out"
      stops 'lora_[AB]' export "${with[@]}" --format peft-fused --out "$out"
      stops 'lora_[AB]' check "${with[@]}"
    done
  done
  # A scale out of any range is refused as bad input; one in range may still make sums that fp32 cannot hold.
  rm -rf "$scratch/bad" && cp -r "$run/adapter" "$scratch/bad"
  with=(--model "$model" --adapter "$scratch/bad")
  for bad in 1e308 1e60; do
    sed -i "s/\"lora_alpha\": [0-9.e]*/\"lora_alpha\": $bad/" "$scratch/bad/adapter_config.json"
    refuses lora_alpha merge "${with[@]}" --out "$out"
    refuses lora_alpha export "${with[@]}" --format peft-full --out "$out"
    refuses lora_alpha check "${with[@]}"
  done
  sed -i "s/\"lora_alpha\": [0-9.e]*/\"lora_alpha\": 1e12/" "$scratch/bad/adapter_config.json"
  poke "$scratch/bad" 'lora_B' all big
  stops 'not finite|new value' merge "${with[@]}" --out "$out"
  stops 'not be finite|not finite|differs from' export "${with[@]}" --format peft-full --out "$out"
}

spoiled_results() {
  local format bad row with=(--model "$model" --adapter "$run/adapter")
  need merge --quiet "${with[@]}" --out "$scratch/merged"
  for format in peft-full peft-fused; do need export --quiet "${with[@]}" --format $format --out "$scratch/$format"; done
  for bad in nan inf big; do
    for row in 0 all; do
      for format in peft-full peft-fused; do
        rm -rf "$scratch/bad" && cp -r "$scratch/$format" "$scratch/bad" && poke "$scratch/bad" 'q_proj.lora_B' $row $bad
        stops 'finite|differs' check "${with[@]}" --exported "$scratch/bad"
      done
      rm -rf "$scratch/bad" && cp -r "$scratch/merged" "$scratch/bad" && poke "$scratch/bad" 'lm_head' $row $bad
      stops 'lm_head.weight, row 0.* is not what' check "${with[@]}" --merged "$scratch/bad"
    done
  done
  for format in peft-full peft-fused; do  # r: 0 is no rank
    rm -rf "$scratch/bad" && cp -r "$scratch/$format" "$scratch/bad"
    sed -i 's/"r": [0-9]*/"r": 0/' "$scratch/bad/adapter_config.json"
    call check "${with[@]}" --exported "$scratch/bad"
    check "r: 0 is refused ($format)" test $? -eq 2
  done
  rm -rf "$scratch/bad" && cp -r "$scratch/merged" "$scratch/bad"
  sed -i 's/"rope_theta": [0-9.]*/"rope_theta": 7.0/' "$scratch/bad/config.json"
  stops 'config.json: rope_theta is 7.0' check "${with[@]}" --merged "$scratch/bad"
  rm -rf "$scratch/bad" && cp -r "$scratch/merged" "$scratch/bad" && rm "$scratch/bad/tokenizer.json"
  stops 'tokenizer.json: is missing' check "${with[@]}" --merged "$scratch/bad"
}

# NaN in a row that no token of the data uses: the model works, and its merge is right.
unused_row() {
  local base=$scratch/unused
  cp -r "$model" "$base" && poke "$base" 'embed_tokens' 2047 nan
  works "eval of a model with an unused NaN row" eval --json --model "$base" --data "$data"
  check "its loss is a number" python3 -c 'import json,math,sys; assert math.isfinite(json.load(open(sys.argv[1]))["perplexity"]["loss"])' "$scratch/out"
  need train --quiet "model=$base" "data.train=$data" "output=$scratch/unused_run" train.max_steps=2 train.lr=1e-2 select.mode=base select.k=3 adapter.rank=4
  works "its merge" merge --model "$base" --adapter "$scratch/unused_run/adapter" --out "$scratch/unused_merged"
  works "its merge in fp32" merge --model "$base" --adapter "$scratch/unused_run/adapter" --dtype fp32 --out "$scratch/unused_fp32"
  works "check of its merge" check --model "$base" --adapter "$scratch/unused_run/adapter" --merged "$scratch/unused_merged"
  check "the rounding loss is a number" grep -Eq 'rounding loss [0-9.]+ %' "$scratch/err"
}

# A merge or an export that was interrupted may be given again; a folder that holds something is refused.
repeated() {
  local with=(--model "$model" --adapter "$run/adapter")
  mkdir -p "$scratch/.again.tmp-4194300" && touch "$scratch/.again.tmp-4194300/model.safetensors"
  works "merge after an interrupted one" merge "${with[@]}" --out "$scratch/again"
  check "nothing of it is left" test ! -e "$scratch/.again.tmp-4194300"
  call merge "${with[@]}" --out "$scratch/again"
  check "a merge that is there already is refused" test $? -eq 2
  call export "${with[@]}" --format peft-full --out "$scratch/again"
  check "and so for an export" test $? -eq 2
  cp -r "$model" "$scratch/linked"
  echo SECRET >"$scratch/secret"
  ln -s "$scratch/secret" "$scratch/linked/notes.txt" && ln -s "$scratch/secret" "$scratch/linked/private.json"
  works "merge of a folder with links out of it" merge --model "$scratch/linked" --adapter "$run/adapter" --out "$scratch/unlinked"
  check "which are not copied" test -z "$(grep -rl SECRET "$scratch/unlinked")"
}

rows 1,9 >"$data"
tiny_model "$model" 1
need train --quiet "model=$model" "data.train=$data" "output=$run" train.max_steps=3 train.lr=1e-2 select.mode=base select.k=3 adapter.rank=4
spoiled_models
spoiled_adapters
spoiled_results
unused_row
repeated
finish
