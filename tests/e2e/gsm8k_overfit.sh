#!/usr/bin/env bash
# A model that knows five rows by heart answers all five: training, prompts, generation and scoring fit together.
source tests/e2e/lib.sh
five=$scratch/five.jsonl
cat >"$five" <<'ROWS'
{"question": "Ann has 3 pens and buys 4. How many pens?", "answer": "3 + 4 = <<3+4=7>>7\n#### 7"}
{"question": "A box holds 12 eggs. How many are in 5 boxes?", "answer": "12 * 5 = <<12*5=60>>60\n#### 60"}
{"question": "Tom had $1,250 and spent $50. What is left?", "answer": "1250 - 50 = <<1250-50=1200>>1,200\n#### 1,200"}
{"question": "Share 9 apples among 3 girls. How many each?", "answer": "9 / 3 = <<9/3=3>>3\n#### 3"}
{"question": "It was 2 degrees and fell by 5. How cold is it?", "answer": "2 - 5 = <<2-5=-3>>-3\n#### -3"}
ROWS

learned() {  # name, settings: a run over the five rows, each step sees them all
  local name=$1
  shift
  need train --quiet "model=$base" "data.train=$five" "output=$scratch/$name" train.warmup_ratio=0.1 select.policy=all "$@"
}

scored() {  # name, wanted correct answers, wanted count, options; length limits the answers
  local name=$1 correct=$2 count=$3
  shift 3
  works "$name" eval --quiet --json --task gsm8k --data "$five" --max-new-tokens "${length:-40}" --out "$scratch/answers.json" "$@"
  check "$name: $correct of $count" python3 -c 'import json, sys
seen, correct, count = json.load(open(sys.argv[1]))["gsm8k"], int(sys.argv[2]), int(sys.argv[3])
assert seen["count"] == count and seen["correct"] == correct and seen["exact_match"] == correct / count, seen' "$scratch/out" "$correct" "$count"
}

# The answers themselves, without their order of computation.
answers() { python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))["samples"]))' "$scratch/answers.json"; }

scored "the base knows none" 0 5 --model "$base" --batch 5

learned lora train.max_steps=80 train.lr=5e-3 adapter.rank=8 adapter.alpha=16
adapted=(--model "$base" --adapter "$scratch/lora/adapter")
scored "adapter, one at a time" 5 5 "${adapted[@]}" --batch 1
one=$(answers)
scored "adapter, all at a time" 5 5 "${adapted[@]}" --batch 5
check "the batch does not change an answer" test "$one" = "$(answers)"
scored "adapter, two at a time" 5 5 "${adapted[@]}" --batch 2
scored "adapter, first three" 3 3 "${adapted[@]}" --batch 2 --limit 3
length=2 scored "adapter, answers cut short" 0 5 "${adapted[@]}" --batch 5

# Another question with the same words: the score looks at the number, not at whether the model says something.
sed 's/#### 60/#### 61/' "$five" >"$scratch/wrong.jsonl"
five=$scratch/wrong.jsonl
scored "one wrong reference" 4 5 "${adapted[@]}" --batch 5
five=$scratch/five.jsonl

learned full train.max_steps=60 train.lr=2e-3 adapter.method=full
scored "trained weights" 5 5 --model "$scratch/full/model" --batch 5
finish
