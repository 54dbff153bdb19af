#!/usr/bin/env bash
# Bad input: exit code 2, one line "error: what, where, what would be accepted", nothing on standard output, nothing written,
# and what was there before is as it was.
source tests/e2e/lib.sh
model=$scratch/good/model
adapter=$scratch/good/run/adapter
train=$scratch/good/train.jsonl
bad=$scratch/good/bad # lies beside the good input: all of it must stay as it is
out=$scratch/result   # no command may leave anything here

# One row of the table: a text that the error must hold (a basic regular expression), then the command.
refuse() {
  local wanted=$1 status seen=""
  shift
  call "$@"
  status=$?
  [ $status -eq 2 ] || seen="exit code $status instead of 2"
  [ "$(grep -c '^error: ' "$scratch/err")" -eq 1 ] || seen="$seen; not exactly one line that starts with error:"
  grep '^error: ' "$scratch/err" | grep -q -- "$wanted" || seen="$seen; the error does not say: $wanted"
  ! grep -vqE '^((error|info|warning): |(evaluate|profile|train) [0-9]+/[0-9]+  )' "$scratch/err" || seen="$seen; a line that is no message"
  [ ! -s "$scratch/out" ] || seen="$seen; something on standard output"
  [ ! -e "$out" ] || seen="$seen; wrote $(find "$out" | head -n 3 | tr '\n' ' ')"
  rm -rf "$out"
  if [ -z "$seen" ]; then pass; else fail "$* " "${seen#; }" "$(head -n 5 "$scratch/err")"; fi
}

settings=("model=$model" "data.train=$train" "output=$out" train.max_steps=1 adapter.rank=2 select.mode=base)

command_lines() {
  refuse 'unknown command "trian".*train' trian
  call
  check "no command: usage on standard error, exit code 2" test $? -eq 2 -a ! -s "$scratch/out"
  check "no command: usage" grep -q '^Usage: hellora COMMAND' "$scratch/err"
  refuse 'unknown option --no-such' train "${settings[@]}" --no-such
  refuse 'unknown option --modle.*--model' eval --modle "$model" --data "$train"
  refuse 'unknown option --hto=2.*--hot' bench step --hto=2
  refuse '--model is required' eval --data "$train"
  refuse '--out is required' forward --model "$model" --ids x.json
  refuse '--threads' eval --model "$model" --data "$train" --threads -1
  refuse '--threads' eval --model "$model" --data "$train" --threads many
  refuse '--threads' eval --model "$model" --data "$train" --threads 1000000
  refuse '--device' eval --model "$model" --data "$train" --device tpu
  refuse '--log-level loud.*debug' eval --model "$model" --data "$train" --log-level loud
  refuse '--rank' count --arch olmoe-1b-7b --rank 0
  refuse '--top-p' generate --model "$model" --prompt x --top-p 2
  refuse '--dtype' merge --model "$model" --adapter "$adapter" --out "$out" --dtype int4
  refuse 'unknown format "gguf".*peft-full' export --model "$model" --adapter "$adapter" --format gguf --out "$out"
  refuse 'unknown task "mmlu".*gsm8k' eval --model "$model" --task mmlu
  refuse 'unknown model "olmoe-9b".*olmoe-1b-7b' count --arch olmoe-9b
  refuse 'unknown method "lroa".*lora' count --arch olmoe-1b-7b --method lroa
  refuse 'select.k: 65 must lie between 1 and.*64' count --arch olmoe-1b-7b --k 65
  refuse 'select.k: 0%' count --arch olmoe-1b-7b --k 0%
  refuse 'either --arch or --model' count
  refuse '--task NAME or --data' eval --model "$model"
  refuse 'excludes' check --model "$model" --adapter "$adapter" --merged a --exported b
  refuse 'the prompt is empty' generate --model "$model" --prompt ""
  refuse '--layers' init --arch olmoe-1b-7b --tiny --layers 0 --out "$out"
  refuse 'has 64 experts' bench step --hot 65
  echo '{"layers": [{"counts": [3, 1]}]}' >"$scratch/two.json"
  refuse 'two.json counts 2 experts, olmoe-1b-7b has 64' bench step --routing "$scratch/two.json"
  echo '{"layers": [{"counts": ["many", 1]}]}' >"$scratch/many.json"
  refuse 'many.json: counts must be numbers' bench step --routing "$scratch/many.json"
}

configurations() {
  local file=$scratch/good/config
  refuse 'unknown key "trian.lr".*train.lr' train "${settings[@]}" trian.lr=1
  refuse 'expected key=value' train "${settings[@]}" lr
  refuse 'train.lr: 11 .*from 0 to 10' train "${settings[@]}" train.lr=11
  refuse 'train.lr.*"nan" is not a finite number' train "${settings[@]}" train.lr=nan
  refuse 'train.max_steps.*"1.5" is not an integer' train "${settings[@]}" train.max_steps=1.5
  refuse 'adapter.rank: 0 ' train "${settings[@]}" adapter.rank=0
  refuse 'adapter.dropout: 1 ' train "${settings[@]}" adapter.dropout=1
  refuse 'data.packing: maybe .*true or false' train "${settings[@]}" data.packing=maybe
  refuse 'train.schedule.*"step".*cosine' train "${settings[@]}" train.schedule=step
  refuse 'recipe.*"helora".*hellora' train "${settings[@]}" recipe=helora
  refuse 'compute.weights.*bf16' train "${settings[@]}" compute.weights=int8
  refuse 'select.policy.*"warm".*hot' train "${settings[@]}" select.policy=warm
  refuse 'select.k: 9 must lie between 1 and.*8' train "${settings[@]}" select.k=9
  refuse 'select.k: "few"' train "${settings[@]}" select.k=few
  refuse 'adapter.method: unknown method "lorra".*lora' train "${settings[@]}" adapter.method=lorra
  refuse 'adapter.targets: unknown target "gat".*gate' train "${settings[@]}" adapter.targets=q,gat
  refuse 'adapter.targets: "shared" matches nothing' train "${settings[@]}" adapter.targets=q,shared
  refuse 'export: unknown format "gguf".*merged' run "${settings[@]}" export=gguf
  refuse 'key "model" is needed' train "data.train=$train" "output=$out"
  refuse 'key "data.train" is needed' train "model=$model" "output=$out"
  refuse 'key "output" is needed' train "model=$model" "data.train=$train"
  printf 'model: a\ntrain:\n  lr: 1\n  lr: 2\n' >"$file-duplicate.yaml"
  refuse 'config-duplicate.yaml:4: duplicate key "train.lr"' train "$file-duplicate.yaml"
  printf 'model: a\ntrain: {lr: 1\n' >"$file-broken.yaml"
  refuse 'config-broken.yaml:.*not valid YAML' train "$file-broken.yaml"
  printf 'model: a\ntrain:\n  lr: fast\n' >"$file-range.yaml"
  refuse 'config-range.yaml:3: train.lr' train "$file-range.yaml"
  printf 'model: a\nadaptor: {rank: 1}\n' >"$file-key.yaml"
  refuse 'config-key.yaml:2: unknown key "adaptor.rank".*adapter.rank' train "$file-key.yaml"
  printf 'train: [1, 2]\nmodel: [a, b]\n' >"$file-list.yaml"
  refuse 'config-list.yaml:1: ' train "$file-list.yaml"
  printf -- '- model\n' >"$file-top.yaml"
  refuse 'config-top.yaml:1: expected a map' train "$file-top.yaml"
  refuse 'cannot read .*config-absent.yaml' train "$file-absent.yaml"
  refuse 'cannot read .*: Is a directory' train "$scratch/good"
}

# Every broken file of tensors on its own, and as the weights of a model.
tensor_files() {
  local name wanted
  while read -r name wanted; do
    refuse "$name.safetensors.*$wanted" inspect "$bad/tensors/$name.safetensors"
  done <<'TABLE'
empty 0 bytes
short 3 bytes
cut_header header length
cut_data of the data, but the file has
tail belong to none
long_header header length
overflow_header header length
not_json not valid JSON
not_object expected a JSON object
not_utf8 UTF-8
duplicate_key duplicate key "a"
deep nested deeper
nul NUL
metadata __metadata__
no_dtype "a".*key "dtype" is missing
bad_dtype "a".*F33
bad_shape "a".*"shape"
negative_shape "a".*
huge_shape "a".*
wrong_size "a".*span 8 bytes
backwards "a".*data_offsets
negative_offset "a".*data_offsets
outside "a".*hole
huge_offset "a".*"data_offsets"
overlap "b".*overlaps
hole "b".*hole of 1 bytes
TABLE
  cp -r "$model" "$scratch/cut"
  head -c 100000 "$model/model.safetensors" >"$scratch/cut/model.safetensors"
  refuse 'cut/model.safetensors' train "${settings[@]}" "model=$scratch/cut"
  refuse 'cut/model.safetensors' merge --model "$scratch/cut" --adapter "$adapter" --out "$out"
}

models() {
  local name wanted
  while read -r name wanted; do
    refuse "$name.*$wanted" train "${settings[@]}" "model=$bad/models/$name"
  done <<'TABLE'
wrong_shape experts.3.up_proj.weight has shape (64, 32), config.json asks for (32, 64)
missing_tensor experts.3.up_proj.weight" is missing
extra_tensor mlp.extra.weight does not belong
integer_tensor experts.3.up_proj.weight
missing_shard two.safetensors" is missing
wrong_shard is not in its shard two.safetensors
outside_shard ../one.safetensors
empty_index weight_map names no tensor
no_weight_map "weight_map" is missing
unknown_arch config.json: model_type "olmo_next" is not known; known: .*olmoe
no_arch config.json: key "model_type" is missing
no_experts config.json: key "num_experts" is missing
experts_text config.json: key "num_experts" is "eight"; expected an integer
top_k_too_large config.json: key "num_experts_per_tok" is 9; expected an integer from 1 to 8
zero_layers config.json: key "num_hidden_layers" is 0
huge_vocab config.json: key "vocab_size"
quantized config.json: key "quantization_config"
rope config.json: rope_scaling: .*longrope
duplicate_key config.json: duplicate key "model_type"
broken_config config.json: not valid JSON
array_config config.json: expected a JSON object
no_weights model.safetensors
no_config config.json
no_tokenizer tokenizer.json
broken_tokenizer tokenizer.json
pickle pytorch_model.bin
TABLE
  refuse 'no/such/model' eval --model no/such/model --data "$train"
  refuse 'missing_shard.*two.safetensors" is missing' inspect "$bad/models/missing_shard"
  refuse 'token id 2055 is outside the model.s vocabulary of 2048' train "${settings[@]}" "model=$bad/models/wide_tokenizer" "data.train=$scratch/good/pens.jsonl"
}

data_files() {
  local file=$scratch/good/data
  # name, content, what the error says
  while IFS='|' read -r name content wanted; do
    printf '%b' "$content" >"$file-$name.jsonl"
    refuse "data-$name.jsonl$wanted" train "${settings[@]}" "data.train=$file-$name.jsonl"
  done <<'TABLE'
empty||: no usable row (0 read
blank|\n\n|: no usable row (0 read
malformed|{"text": "a b c"}\n{"text": \n|:2: not valid JSON
two|{"text": "a b c"} {"text": "d"}\n|:1: not valid JSON
duplicate|{"text": "a", "text": "b"}\n|:1: duplicate key "text"
bytes|{"text": "a b c"}\n{"text": "\xff"}\n|:2: not valid UTF-8
keys|{"title": "a"}\n|:1: the record has the keys of no known format
type|{"text": {"a": 1}}\n|:1: key "text" must be a string
array|["a"]\n|:1:
TABLE
  refuse 'data-malformed.jsonl:2: not valid JSON' train "${settings[@]}" "data.eval=$file-malformed.jsonl"
  refuse 'data-empty.jsonl: no usable row (0 read' eval --model "$model" --data "$file-empty.jsonl"
  refuse 'no usable row (24 read, 24 longer than data.max_length 8' train "${settings[@]}" data.max_length=8
  refuse 'train.jsonl:1: .* tokens; data.max_length is 8' train "${settings[@]}" data.max_length=8 data.too_long=error
  refuse 'no usable row' profile data.max_length=8 --model "$model" --data "$train" --out "$out"
  refuse 'train.jsonl:1: key "instruction" is missing' train "${settings[@]}" data.format=instruction
  refuse 'data.format.*"chat"' train "${settings[@]}" data.format=chat
  refuse 'cannot read .*absent.jsonl: No such file' eval --model "$model" --data "$scratch/absent.jsonl"
  refuse 'cannot read .*good: Is a directory' eval --model "$model" --data "$scratch/good"
  printf '{"question": "a", "answer": "5"}\n' >"$file-unmarked.jsonl"
  refuse 'data-unmarked.jsonl:1: .*####' eval --model "$model" --task gsm8k --data "$file-unmarked.jsonl"
  refuse 'data-empty.jsonl: no record' eval --model "$model" --task gsm8k --data "$file-empty.jsonl"
}

ids() {
  local name content wanted long
  long=$(printf '1,%.0s' {1..600})1
  while IFS='|' read -r name content wanted; do
    printf '%s' "${content/LONG/$long}" >"$scratch/good/ids-$name.json"
    refuse "ids-$name.json.*$wanted" forward --model "$model" --ids "$scratch/good/ids-$name.json" --out "$out"
  done <<'TABLE'
too-long|{"input_ids": [[LONG]]}|rows have .* tokens, the model has .* positions
vocabulary|{"input_ids": [[1, 2048]]}|2048 is not a token id below 2048
negative|{"input_ids": [[1, -1]]}|-1 is not a token id
huge|{"input_ids": [[1, 18446744073709551615]]}|18446744073709551615 is not a token id
fraction|{"input_ids": [[1, 2.5]]}|2.5 is not a token id
ragged|{"input_ids": [[1, 2], [3]]}|rows must be arrays of equal length
none|{"input_ids": []}|non-empty
flat|{"input_ids": [1, 2]}|rows must be arrays
absent|{"ids": [[1, 2]]}|key "input_ids" is missing
labels|{"input_ids": [[1, 2]], "labels": [[1, 2, 3]]}|"labels" must have the shape
label|{"input_ids": [[1, 2]], "labels": [[1, 4000]]}|4000 is not a token id
ignored|{"input_ids": [[1, 2]], "labels": [[-100, -100]]}|no label
TABLE
  printf '[1, 99999]\n' >"$scratch/good/line"
  refuse '99999' tokenize --model "$model" --decode <"$scratch/good/line"
  printf 'five\n' >"$scratch/good/line"
  refuse 'line 1: not valid JSON' tokenize --model "$model" --decode <"$scratch/good/line"
  refuse 'line 1: not valid JSON' tokenize --model "$model" --json-lines <"$scratch/good/line"
  printf '\xff\n' >"$scratch/good/line"
  refuse 'UTF-8' tokenize --model "$model" <"$scratch/good/line"
}

adapters() {
  local name wanted
  while read -r name wanted; do
    refuse "$name.*$wanted" merge --model "$model" --adapter "$bad/adapters/$name" --out "$out"
  done <<'TABLE'
no_b up_proj.lora_B.weight is missing
no_a q_proj.lora_B.weight has no lora_A beside it
one_projection_less adapt different experts
no_tensor holds no tensor
wrong_shape up_proj.lora_A.weight has the wrong shape
wrong_rank has rank 2, adapter_config.json says 3
unknown_module specialists.*is not a module
other_method adapter_config.json: key "peft_type" is "IA3"
dora adapter_config.json: key "use_dora"
zero_alpha adapter_config.json: .*lora_alpha
other_base was made for another base model
other_format hellora.json: format
no_config adapter_config.json
TABLE
  refuse 'no_b.*missing' export --model "$model" --adapter "$bad/adapters/no_b" --format peft-full --out "$out"
  refuse 'no_b.*missing' eval --model "$model" --adapter "$bad/adapters/no_b" --data "$train"
  refuse 'made for another base model' eval --model "$scratch/good/other" --adapter "$adapter" --data "$train"
  refuse 'made for another base model' merge --model "$scratch/good/other" --adapter "$adapter" --out "$out"
  refuse 'made for another base model' check --model "$scratch/good/other" --adapter "$adapter"
  refuse 'made for another base model, olmoe: .*; this model is olmoe: ' eval --model "$base" --adapter "$adapter" --data "$train"
  refuse 'cannot read .*adapter_' check --model "$model" --adapter "$adapter" --exported "$model"
  refuse 'no_weights' check --model "$model" --adapter "$adapter" --merged "$bad/models/no_weights"
}

plans_and_profiles() {
  local name wanted
  while read -r name wanted; do
    refuse "$wanted" train "${settings[@]}" "select.plan=$bad/plans/$name.json"
  done <<'TABLE'
other_model other_model.json: the plan was made for another model
format format.json: format "hellora.plan/9"
no_layers no_layers.json: key "layers" is missing
descending descending.json: "layers" must be ascending
layer plan: layer 7 does not exist; the model has layers 0 to 1
expert plan: layer 0 names expert 99; the model has experts 0 to 7
negative negative.json, layer 0: key "experts" is
twice twice.json, layer 0: "experts" must be ascending
ranks ranks.json, layer 0: "ranks"
zero_rank zero_rank.json, layer 0: key "rank of expert
ranked has rank 3 but adapter.rank is 2
absent cannot read .*absent.json
TABLE
  while read -r name wanted; do
    refuse "$name.json.*$wanted" select --profile "$bad/profiles/$name.json" --policy hot --out "$out"
  done <<'TABLE'
sums layer 0: counts do not sum to tokens x top_k
halves layer 0: the halves do not sum
negative layer 0: key "counts" is
lists layer 0: every list must hold num_experts = 8
format format is not
type model_type "unheard"
top_k key "top_k" is 0
TABLE
  refuse 'cannot read .*absent.json' select --profile "$scratch/absent.json" --policy hot --out "$out"
  refuse 'unknown policy "hit".*hot' select --profile "$scratch/good/run/profile.json" --policy hit --out "$out"
  refuse 'select.k: 9 must lie' select --profile "$scratch/good/run/profile.json" --policy hot --k 9 --out "$out"
  refuse 'neither a plan nor a profile' inspect "$model/config.json"
  refuse 'no such file or folder' inspect "$scratch/absent"
  refuse 'expected a model, an adapter' inspect "$scratch/good"
}

# What else `inspect` reads: configurations and event files.
inspected_files() {
  local events file=$scratch/good/events.out.tfevents
  events=$(echo "$scratch/good/run/events.out.tfevents."*)
  head -c 100 "$events" >"$file.cut"
  refuse 'events.out.tfevents.cut: record [0-9]* at byte [0-9]*: the file ends inside of it' inspect "$file.cut"
  { head -c 60 "$events" && printf '\377' && tail -c +62 "$events"; } >"$file.changed"
  refuse 'events.out.tfevents.changed: record [0-9]* at byte [0-9]*: the checksum of its data does not hold' inspect "$file.changed"
  : >"$file.empty"
  refuse 'events.out.tfevents.empty: empty; expected a TensorBoard event file' inspect "$file.empty"
  cp "$train" "$file.rows"
  refuse 'events.out.tfevents.rows: record 1 at byte 0: the checksum of its length' inspect --json "$file.rows"
  printf 'adaptor: {rank: 8}\n' >"$scratch/good/odd.yaml"
  refuse 'odd.yaml:1: unknown key "adaptor.rank"' inspect "$scratch/good/odd.yaml"
  printf 'adapter: {rank: [\n' >"$scratch/good/odd.yaml"
  refuse 'odd.yaml:2: ' inspect "$scratch/good/odd.yaml"
}

# Results never replace what is there, and never appear where they cannot be written.
places() {
  local run=$scratch/good/run
  refuse 'good/run: the output folder is not empty; use --resume.*--overwrite' train "${settings[@]}" "output=$run"
  refuse 'not empty' run "${settings[@]}" "output=$run"
  refuse 'lies inside the output folder' train "${settings[@]}" "output=$model" --overwrite
  # What does not fit is said before anything is loaded, with what would fit.
  refuse 'the run needs about .*, the machine has .*; train.micro_batch_tokens=[0-9]* fits' train "${settings[@]}" train.micro_batch_tokens=16777216
  refuse 'the weights need .*, the machine has .*; fewer --layers' bench step --layers 4096
  refuse 'the machine has .*; fewer --layers or --tokens' bench step --layers 1 --tokens 4000000
  refuse '--experts' bench gemm --experts 2000000000
  HELLORA_KERNEL=sse9 refuse 'HELLORA_KERNEL=sse9: unknown kernel; known: .*reference' bench kernels
  refuse 'train.jsonl: is not a folder' train "${settings[@]}" "output=$train"
  refuse 'exists already' merge --model "$model" --adapter "$adapter" --out "$run"
  refuse 'exists already' export --model "$model" --adapter "$adapter" --format peft-full --out "$run"
  refuse 'holds a model already' init --arch olmoe-1b-7b --tiny --out "$model"
  refuse 'absent: no run folder or checkpoint to resume' train "${settings[@]}" --resume "$scratch/absent"
  mkdir -p "$scratch/taken" && touch "$scratch/taken/notes"
  refuse 'taken: the output folder is not empty' train "${settings[@]}" "output=$scratch/taken" --resume "$run"
  # --overwrite empties the folder only once the new run can begin.
  refuse 'cannot read .*absent.jsonl' train "${settings[@]}" "output=$run" --overwrite "data.train=$scratch/absent.jsonl"
  refuse 'absent_model' train "${settings[@]}" "output=$run" --overwrite "model=$scratch/absent_model"
  refuse 'another model' train "${settings[@]}" "output=$run" --overwrite "select.plan=$bad/plans/other_model.json"
  refuse "cannot .*train.jsonl/x" train "${settings[@]}" "output=$train/x"
  refuse "cannot .*train.jsonl/x" merge --model "$model" --adapter "$adapter" --out "$train/x"
  refuse "cannot .*train.jsonl/x" init --arch olmoe-1b-7b --tiny --out "$train/x"
  refuse "cannot write .*train.jsonl/x" profile select.mode=base --model "$model" --data "$train" --out "$train/x"
  refuse "cannot write .*absent/x" select --profile "$run/profile.json" --policy hot --out "$scratch/absent/x"
  refuse "cannot write .*absent/x" eval --model "$model" --data "$train" --out "$scratch/absent/x"
  refuse "cannot write .*absent/x" forward --model "$model" --ids "$scratch/good/ids.json" --out "$scratch/absent/x"
}

unreadable() {
  local file=$scratch/good/locked.jsonl
  mkfifo "$scratch/good/pipe"
  refuse 'cannot read .*pipe' train "${settings[@]}" "data.train=$scratch/good/pipe"
  cp "$train" "$file"
  chmod 000 "$file"
  if [ -r "$file" ]; then
    echo "skipped: a file without read permission (this user may read everything)"
  else
    refuse 'cannot read .*locked.jsonl: Permission denied' train "${settings[@]}" "data.train=$file"
  fi
  rm "$scratch/good/pipe"
}

# Runs out of room while it writes: the error names the file, and no weights are left, under their name or a temporary one.
no_room() {  # what the system says, folder that is too small, command
  local reason=$1 folder=$2 status
  shift 2
  call "$@"
  status=$?
  check "$1: $reason: exit code 2" test $status -eq 2
  check "$1: $reason: one error that names the file" test "$(grep -c "^error: cannot write $folder/.*: $reason" "$scratch/err")" -eq 1
  check "$1: $reason: nothing half-written" test -z "$(find "$folder" -name '*.safetensors' -o -name '.*.tmp-*' 2>/dev/null; find "${folder%/*}" -maxdepth 1 -name ".${folder##*/}.tmp-*")"
}

fill() {  # what the system says, folder
  no_room "$1" "$2/merge" merge --model "$model" --adapter "$adapter" --out "$2/merge"
  no_room "$1" "$2/init" init --arch olmoe-1b-7b --tiny --out "$2/init"
  no_room "$1" "$2/run" train "${settings[@]}" adapter.rank=64 "output=$2/run"
  no_room "$1" "$2" forward --model "$model" --ids "$scratch/good/ids.json" --out "$2/x.safetensors"
}

# A limit on the size of files acts like a full disk and needs no rights, but for the name of the error.
limited_size() {
  local counts
  counts=$(
    passed=0 failed=0
    trap '' XFSZ
    ulimit -f 64
    mkdir "$scratch/limit"
    fill "File too large" "$scratch/limit" >&2
    echo "$passed $failed"
  )
  passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
}

full_disk() {
  mkdir "$scratch/disk"
  if ! mount -t tmpfs -o size=96k none "$scratch/disk" 2>/dev/null; then
    echo "skipped: a full disk (no right to mount one)"
    return
  fi
  fill "No space left on device" "$scratch/disk"
  umount "$scratch/disk"
}

# Not bad input but a bad outcome: exit code 3, the step is not applied, the last good checkpoint stays and can be loaded.
non_finite() {
  local run=$scratch/infinite again
  # Weight decay of lr * 10 multiplies every weight by -99 a step.
  local wild=(train --quiet "model=$model" "data.train=$train" "output=$run" adapter.method=full select.policy=all train.lr=10
    train.weight_decay=10 train.schedule=constant train.warmup_ratio=0 train.max_steps=60 train.save_steps=4 train.micro_batch_tokens=512)
  call "${wild[@]}"
  check "non-finite loss: exit code 3" test $? -eq 3
  check "non-finite loss: one line with step and checkpoint" \
    grep -qE "^error: step [0-9]+: loss .* not finite.*last good checkpoint: $run/checkpoint-0000" "$scratch/err"
  check "non-finite loss: only finite lines in the metrics" python3 -c '
import json, math, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
assert rows and all(math.isfinite(row["loss"]) and math.isfinite(row["grad_norm"]) for row in rows)' "$run/metrics.jsonl"
  check "non-finite loss: no result" test ! -e "$run/model" -a ! -e "$run/summary.json"
  again=$(sed -n 's/.*last good checkpoint: \([^;]*\);.*/\1/p' "$scratch/err")
  check "non-finite loss: the checkpoint is whole" test -f "$again/DONE"
  call "${wild[@]}" --resume "$again"
  check "non-finite loss: the checkpoint loads, and the same step fails" test $? -eq 3
  call train --quiet "${settings[@]}" "model=$bad/models/nan_weight"
  check "a weight that is not a number: exit code 3" test $? -eq 3
  check "a weight that is not a number: said so" grep -q '^error: .* not \(a \)*finite' "$scratch/err"
  rm -rf "$out"
}

mkdir "$scratch/good"
rows 1,24 >"$train"
echo '{"text": "three pens"}' >"$scratch/good/pens.jsonl"
python3 -c 'print({"input_ids": [[5] * 20] * 4})' | tr "'" '"' >"$scratch/good/ids.json"
tiny_model "$model" 1
tiny_model "$scratch/good/other" 2
need train "${settings[@]}" "output=$scratch/good/run" select.policy=hot select.k=3
python3 tests/e2e/lib_hostile.py "$model" "$adapter" "$scratch/good/run/plan.json" "$scratch/good/run/profile.json" "$bad" || fail "lib_hostile.py"
before=$(find "$model" "$scratch/good/run" "$bad" -type f -exec sha256sum {} + | sort)
command_lines
configurations
tensor_files
models
data_files
ids
adapters
plans_and_profiles
inspected_files
places
unreadable
limited_size
full_disk
non_finite
check "no input file was touched" test "$before" = "$(find "$model" "$scratch/good/run" "$bad" -type f -exec sha256sum {} + | sort)"
finish
