#!/usr/bin/env bash
# Every command of docs/commands.md by hand, as the table there says, with the tiny model.
source tests/e2e/lib.sh
model=$scratch/model
train=$scratch/train.jsonl
eval=$scratch/eval.jsonl
run=$scratch/run

# The last call wrote exactly one JSON object on standard output, and it satisfies a Python expression over `it`.
one_object() {
  python3 -c 'import json, math, sys
text = open(sys.argv[1]).read()
it, end = json.JSONDecoder().raw_decode(text)
assert isinstance(it, dict), "not an object"
assert not text[end:].strip(), "something follows the object"
assert eval(sys.argv[2]), json.dumps(it)[:400]' "$scratch/out" "${1:-True}"
}

json() {  # Python expression over the object, then a command without --json
  local condition=$1
  shift
  works "$* --json" "$@" --json
  check "$* --json: one object with $condition" one_object "$condition"
}

prints() {  # text, then a command
  local wanted=$1
  shift
  works "$*" "$@"
  check "$* prints $wanted" grep -qF -- "$wanted" "$scratch/out"
}

commands_of_the_manual() {  # the first word of each row of the table, and the rows that name several commands
  sed -n 's/^| \(`.*`\) | .*/\1/p' docs/commands.md | grep -oE '`[a-z]+' | tr -d '`' | sort -u
}

commands_of_the_program() { "$hellora" --help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' | sort -u; }

help_everywhere() {
  check "the manual and --help name the same commands" diff <(commands_of_the_manual) <(commands_of_the_program)
  prints "hellora" --help
  prints "hellora " --version
  local command
  for command in $(commands_of_the_program); do
    prints "--threads" "$command" --help
  done
  prints "--hot" bench step --help
}

tables() {
  prints "lora" methods
  prints "olmoe-1b-7b" archs
  prints "global-hot" policies
  prints "gsm8k" tasks
  json '{row["method"] for row in it["rows"]} >= {"lora", "full"}' methods
  json '{row["name"] for row in it["rows"]} >= {"olmoe", "olmoe-1b-7b"}' archs
  json '{row["policy"] for row in it["rows"]} >= {"hot", "cold", "random", "mass", "coverage", "global-hot", "all"}' policies
  json '[row["task"] for row in it["rows"]] == ["gsm8k"]' tasks
}

init_and_count() {
  json 'it["parameters"] > 0' init --arch olmoe-1b-7b --tiny --layers 2 --seed 1 --out "$scratch/again"
  check "init: the seed decides every byte" cmp "$model/model.safetensors" "$scratch/again/model.safetensors"
  works "init --fp32" init --arch olmoe-1b-7b --tiny --layers 1 --fp32 --seed 2 --out "$scratch/wide"
  prints " F32 " inspect "$scratch/wide/model.safetensors"
  works "init --config" init --config models/tiny-olmoe/config.json --layers 1 --seed 2 --out "$scratch/follow"
  check "init --config keeps what it does not know" grep -q pad_token_id "$scratch/follow/config.json"
  prints "quotient of percentages" count --model "$model" --rank 4 --k 3
  json 'it["k"] == 3 and it["coverage"] == 3 / 8 and it["adapter_flops_per_token"] > 0' count --model "$model" --rank 4 --k 3
  json 'it["adapter_flops_per_token"] is None' count --model "$model" --method full --targets embed
}

profiles() {
  works "profile, base" profile --model "$model" --data "$train" --mode base --out "$scratch/base.json"
  json 'all(sum(l["counts"]) == l["tokens"] * it["top_k"] for l in it["layers"]) and it["mode"] == "base" and len(it["layers"]) == 2' \
    profile --model "$model" --data "$train" "$eval" --mode base --out "$scratch/both.json"
  json 'it["mode"] == "warmup" and it["data"]["tokens"] > 0' profile --model "$model" --data "$train" --mode warmup --fraction 0.5 \
    adapter.rank=2 train.micro_batch_tokens=512 --out "$scratch/warm.json"
  json 'it["tokens_counted"] == "label"' profile --model "$model" --data "$train" --mode base --tokens label --out "$scratch/label.json"
  json '0 < it["data"]["tokens"] < 2000' profile --model "$model" --data "$train" --mode base --max-tokens 300 \
    train.micro_batch_tokens=300 --out "$scratch/short.json"
  printf 'model: %s\ndata: {train: %s}\nselect: {mode: base}\n' "$model" "$train" >"$scratch/profile.yaml"
  works "profile CONFIG" profile "$scratch/profile.yaml" --out "$scratch/config.json"
  check "profile CONFIG counts the same" cmp "$scratch/base.json" "$scratch/config.json"
}

plans() {
  local policy
  for policy in hot cold random mass all; do
    json 'it["policy"] and len(it["layers"]) == 2' select --profile "$scratch/base.json" --policy "$policy" --k 3 --out "$scratch/$policy.json"
  done
  json 'all(l["coverage"] >= 0.6 for l in it["layers"])' select --profile "$scratch/base.json" --policy coverage --coverage 0.6 --out "$scratch/coverage.json"
  json 'all(l["experts"] == 4 for l in it["layers"])' \
    select --profile "$scratch/base.json" --policy coverage --coverage 0.01 --min-k 4 --max-k 5 --out "$scratch/least.json"
  json 'sum(l["experts"] for l in it["layers"]) == 6' select --profile "$scratch/base.json" --policy global-hot --k 3 --out "$scratch/global.json"
  json 'all(l["experts"] == 2 for l in it["layers"])' select --profile "$scratch/base.json" --policy hot --k 25% --out "$scratch/percent.json"
  json 'all(l["experts"] == 2 for l in it["layers"])' select --profile "$scratch/base.json" --policy hot --k auto --out "$scratch/auto.json"
  works "select --rank" select --profile "$scratch/base.json" --policy hot --k 3 --rank 2 --out "$scratch/ranked.json"
  check "select --rank is in the plan" python3 -c '
import json, sys
assert all(layer["ranks"] == [2, 2, 2] for layer in json.load(open(sys.argv[1]))["layers"])' "$scratch/ranked.json"
  prints "split-half overlap" select --profile "$scratch/base.json" --policy hot --k 3 --force --out "$scratch/hot.json"
  check "hot and cold share no expert" python3 -c '
import json, sys
hot, cold = (json.load(open(path))["layers"] for path in sys.argv[1:])
assert all(not set(h["experts"]) & set(c["experts"]) for h, c in zip(hot, cold))' "$scratch/hot.json" "$scratch/cold.json"
}

trained() {
  cat >"$scratch/train.yaml" <<YAML
model: $model
compute: {matmul: fp32}
data: {train: $train, eval: $eval}
select: {mode: base, policy: hot, k: 3}
adapter: {rank: 4, alpha: 8}
train: {max_steps: 3, micro_batch_tokens: 512, lr: 1e-2}
output: $run
YAML
  works "train CONFIG" train "$scratch/train.yaml"
  json 'it["audit"] == "passed" and it["steps"] == 2' train "$scratch/train.yaml" train.max_steps=2 "output=$scratch/two"
  works "train with a given plan" train "$scratch/train.yaml" "select.plan=$scratch/cold.json" "output=$scratch/planned"
  check "the given plan is the run's" cmp "$scratch/cold.json" "$scratch/planned/plan.json"
  works "train: a rank from the plan" train "$scratch/train.yaml" "select.plan=$scratch/ranked.json" adapter.rank=2 "output=$scratch/rank2"
  json 'it["steps"] == 3' run "$scratch/train.yaml" "output=$scratch/exports" export=peft-full,peft-fused,merged
  check "run writes the exports that were asked for" ls "$scratch/exports/peft-full/adapter_model.safetensors" \
    "$scratch/exports/peft-fused/adapter_model.safetensors" "$scratch/exports/merged/model.safetensors"
  prints "quotient of percentages" run "$scratch/train.yaml" "output=$scratch/two" train.max_steps=1 --overwrite
  check "run shows what the model writes before and after" grep -qx after "$scratch/out"
}

evaluated() {
  json 'abs(math.exp(it["perplexity"]["loss"]) / it["perplexity"]["perplexity"] - 1) < 1e-9 and it["perplexity"]["rows"] == 8' eval --model "$model" --data "$eval"
  json 'it["perplexity"]["rows"] == 2' eval --model "$model" --data "$eval" --limit 2
  json 'it["perplexity"]["rows"] == 10' eval --model "$model" --data "$eval" "$scratch/two.jsonl"
  prints "perplexity" eval --model "$model" --adapter "$run/adapter" --data "$eval" --out "$scratch/eval.json"
  check "eval --out holds the same loss as the run" python3 -c '
import json, sys
loss = json.load(open(sys.argv[1]))["results"]["perplexity"]["loss"]
assert abs(loss / json.load(open(sys.argv[2]))["eval"]["loss_after"] - 1) < 1e-6, loss' "$scratch/eval.json" "$run/summary.json"
  json 'it["gsm8k"]["count"] == 2 and 0 <= it["gsm8k"]["exact_match"] <= 1' \
    eval --model "$model" --task gsm8k --limit 2 --max-new-tokens 4 --batch 2 --out "$scratch/gsm8k.json"
  check "eval --out holds the answers" python3 -c 'import json, sys; assert len(json.load(open(sys.argv[1]))["samples"]) == 2' "$scratch/gsm8k.json"
  works "eval --shots" eval --model "$model" --task gsm8k --limit 1 --shots 1 --max-new-tokens 2
}

generated() {
  local say=(generate --model "$base" --prompt "Question: What is 2 + 3?" --max-new-tokens 12)
  works "generate" "${say[@]}"
  cp "$scratch/out" "$scratch/greedy"
  works "generate again" "${say[@]}" --seed 5
  check "greedy text does not depend on the seed" cmp "$scratch/greedy" "$scratch/out"
  works "generate --temperature" "${say[@]}" --temperature 1 --top-p 0.95 --seed 5
  cp "$scratch/out" "$scratch/sampled"
  works "generate --temperature again" "${say[@]}" --temperature 1 --top-p 0.95 --seed 5
  check "a seed decides what is sampled" cmp "$scratch/sampled" "$scratch/out"
  works "generate, another seed" "${say[@]}" --temperature 1 --top-p 0.95 --seed 6
  differs "another seed samples something else" cmp "$scratch/sampled" "$scratch/out"
  json 'it["text"].strip() and 0 < len(it["ids"]) <= 12 and it["prompt"].startswith("Question")' "${say[@]}"
  check "streamed and whole text agree" python3 -c '
import json, sys
assert open(sys.argv[1]).read() == json.load(open(sys.argv[2]))["text"] + "\n"' "$scratch/greedy" "$scratch/out"
  works "generate with an adapter" generate --model "$model" --adapter "$run/adapter" --prompt "What is 2 + 3?" --max-new-tokens 4
  works "generate --raw" generate --model "$model" --adapter "$run/adapter" --raw --prompt "What is 2 + 3?" --max-new-tokens 4
}

forwarded() {
  echo '{"input_ids": [[5, 6, 7, 8], [9, 10, 11, 12]], "labels": [[5, 6, 7, 8], [-100, -100, -100, 12]]}' >"$scratch/ids.json"
  json 'it["supervised"] == 4 and it["loss"] > 0' forward --model "$model" --ids "$scratch/ids.json" --out "$scratch/forward.safetensors"
  check "forward writes what the manual says" python3 - "$scratch/forward.safetensors" <<'PY'
import math, struct, sys
from lib_tensors import read
t = read(sys.argv[1])
assert {name: (dtype, shape) for name, (dtype, shape, _) in t.items()} == {
    "logits": ("F32", (2, 4, 2048)), "loss": ("F32", (1,)),
    "router.0.indices": ("I64", (8, 2)), "router.0.weights": ("F32", (8, 2)),
    "router.1.indices": ("I64", (8, 2)), "router.1.weights": ("F32", (8, 2))}, t.keys()
logits = struct.unpack(f"<{2 * 4 * 2048}f", t["logits"][2])
row = lambda at: logits[at * 2048 : (at + 1) * 2048]
def loss(at, label):
    return math.log(sum(math.exp(x) for x in row(at))) - row(at)[label]
mean = sum(loss(at, label) for at, label in ((0, 6), (1, 7), (2, 8), (6, 12))) / 4
assert abs(mean - struct.unpack("<f", t["loss"][2])[0]) < 1e-4, mean
weights = struct.unpack("<16f", t["router.1.weights"][2])
assert all(weights[i] >= weights[i + 1] > 0 for i in range(0, 16, 2)), weights
PY
  works "forward with an adapter" forward --model "$model" --adapter "$run/adapter" --ids "$scratch/ids.json" --out "$scratch/adapted.safetensors"
  differs "a trained adapter changes the logits" python3 tests/e2e/lib_tensors.py "$scratch/forward.safetensors" "$scratch/adapted.safetensors" logits
}

tokenized() {
  printf '%s\n' 'Question: 3 apples + 4 = 7' '  two  spaces' 'Ünïcode – ½ 你好 🙂' '' '<|endoftext|>done' >"$scratch/lines"
  "$hellora" tokenize --model "$model" <"$scratch/lines" >"$scratch/tokens" || fail "tokenize: exit code $?"
  check "tokenize: an array of ids a line" python3 -c '
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
assert len(rows) == 5 and rows[3] == [] and rows[4][0] == 0 and all(isinstance(i, int) for row in rows for i in row), rows' "$scratch/tokens"
  "$hellora" tokenize --model "$model" --decode <"$scratch/tokens" >"$scratch/back" || fail "tokenize --decode: exit code $?"
  check "tokenize and --decode are inverse" cmp "$scratch/lines" "$scratch/back"
  python3 -c 'import json, sys; [print(json.dumps(line.rstrip("\n"))) for line in open(sys.argv[1])]' "$scratch/lines" >"$scratch/lines.json"
  "$hellora" tokenize --model "$model/tokenizer.json" --json-lines <"$scratch/lines.json" >"$scratch/tokens.json" || fail "tokenize --json-lines: exit code $?"
  check "tokenize --json-lines gives the same ids" cmp "$scratch/tokens" "$scratch/tokens.json"
  "$hellora" tokenize --model "$model" --special <"$scratch/lines" >"$scratch/special" || fail "tokenize --special: exit code $?"
  check "tokenize --special: this tokenizer adds nothing" cmp "$scratch/tokens" "$scratch/special"
  "$hellora" tokenize --model "$model" --json <"$scratch/lines" >"$scratch/out" || fail "tokenize --json: exit code $?"
  check "tokenize --json: one object" one_object 'len(it["ids"]) == 5'
  "$hellora" tokenize --model "$model" --json --decode <"$scratch/tokens" >"$scratch/out" || fail "tokenize --json --decode: exit code $?"
  check "tokenize --json --decode: one object" one_object 'it["text"][0] == "Question: 3 apples + 4 = 7" and len(it["text"]) == 5'
}

handed_over() {
  local with=(--model "$model" --adapter "$run/adapter") format
  json 'it["wrong_elements"] == 0 and it["modules"] > 0 and it["rounding_loss"] > 0' merge "${with[@]}" --out "$scratch/source"
  json 'it["wrong_elements"] == 0 and it["rounding_loss"] < 1e-3' merge "${with[@]}" --dtype fp32 --out "$scratch/fp32"
  works "a merge is a model" eval --model "$scratch/fp32" --data "$eval" --limit 2
  for format in peft-full peft-fused; do
    json "it['format'] == '$format' and it['largest_relative_difference'] < 1e-6" export "${with[@]}" --format $format --out "$scratch/$format"
    json "it['format'] == '$format'" check "${with[@]}" --exported "$scratch/$format"
  done
  json 'it["wrong_elements"] == 0' check "${with[@]}" --merged "$scratch/source"
  json 'all(site["change_norm"] > 0 for site in it["sites"])' check "${with[@]}"
  prints "norm of the change" check "${with[@]}"
  damaged "$scratch/source" "$scratch/peft-full" "${with[@]}"
}

# One bit elsewhere in a merge or an export: `check` says so, with the exit code of a failed check.
damaged() {
  local merged=$1 exported=$2
  shift 2
  python3 - "$merged/model.safetensors" "$exported/adapter_model.safetensors" <<'PY'
import sys
from lib_tensors import read, write
for path, name in zip(sys.argv[1:], ("layers.1.mlp.gate.weight", "layers.0.self_attn.q_proj.lora_B.weight")):
    tensors = read(path)
    key = next(k for k in tensors if k.endswith(name))
    dtype, shape, data = tensors[key]
    tensors[key] = (dtype, shape, data[:-1] + bytes([data[-1] ^ 1]))
    write(path, tensors)
PY
  call check "$@" --merged "$merged"
  check "check --merged: a changed bit is exit code 3" test $? -eq 3
  check "check --merged names the tensor" grep -q '^error: .*layers.1.mlp.gate' "$scratch/err"
  call check "$@" --exported "$exported"
  check "check --exported: a changed bit is exit code 3" test $? -eq 3
  check "check --exported names the module" grep -q '^error: .*layers.0.self_attn.q_proj' "$scratch/err"
}

inspected() {
  prints "8 experts, top-2" inspect "$model"
  json 'it["kind"] == "model" and it["parameters"] == it["elements"]' inspect "$model"
  prints "rank 4, alpha 8.0" inspect "$run/adapter"
  json 'it["kind"] == "adapter" and it["adapter_config"]["r"] == 4 and it["hellora"]["plan"]' inspect "$run/adapter"
  prints "policy hot" inspect "$run/plan.json"
  json 'it["policy"] == "hot"' inspect "$run/plan.json"
  prints "top-2 of 8 experts" inspect "$run/profile.json"
  json 'it["num_experts"] == 8' inspect "$run/profile.json"
  prints "finished run" inspect "$run"
  json 'it["audit"] == "passed"' inspect "$run"
  prints "tensors" inspect "$run/checkpoint-000003/state.safetensors"
  json 'len(it["tensors"]) > 0' inspect "$run/checkpoint-000003/state.safetensors"
}

# Once only: even one layer of the published width is a gigabyte.
benched() {
  json 'it["layers"] == 1 and it["tokens"] == 64 and it["seconds"]["step"] > 0' \
    bench step --layers 1 --tokens 64 --seq-len 32 --hot 2 --rank 2 --steps 1 --gradient-checkpointing --routing data/routing/olmoe-1b-7b-github.json
}

# Messages for people go to standard error, and --quiet leaves only errors.
quiet() {
  works "select --quiet" select --profile "$scratch/base.json" --policy hot --k 3 --out "$scratch/hot.json" --force --quiet
  check "--quiet: nothing on standard error" test ! -s "$scratch/err"
  works "train --quiet" train "$scratch/train.yaml" "output=$scratch/silent" train.max_steps=1 --quiet
  check "train --quiet: nothing on standard error" test ! -s "$scratch/err"
  check "train: no result on standard output without --json" test ! -s "$scratch/out"
}

rows 1,30 >"$train"
rows 31,38 >"$eval"
rows 39,40 >"$scratch/two.jsonl"
tiny_model "$model" 1
help_everywhere
tables
init_and_count
profiles
plans
trained
evaluated
generated
forwarded
tokenized
handed_over
inspected
quiet
benched
finish
