#!/usr/bin/env bash
# One, two and three threads give the same bytes: of profile, plan, adapter, optimizer state, losses and gradient norms.
source tests/e2e/lib.sh

run() {  # threads, model, further settings
  local threads=$1 model=$2
  shift 2
  need train --quiet --threads "$threads" --seed "${seed:-3}" "model=$model" "data.train=$scratch/train.jsonl" "data.eval=$scratch/eval.jsonl" \
    "output=$scratch/threads-$threads" --overwrite select.mode=warmup select.policy=hot adapter.rank=4 adapter.alpha=8 \
    adapter.dropout=0.1 train.lr=5e-3 train.max_steps=4 train.save_steps=2 train.eval_steps=2 "$@"
}

compare() {  # name, model, further settings
  local name=$1 threads
  shift
  for threads in 1 2 3; do run "$threads" "$@"; done
  for threads in 2 3; do
    check "$name: $threads threads as one" same_run "$scratch/threads-1" "$scratch/threads-$threads"
    check "$name: $threads threads, the same profile" same_files "$scratch/threads-1" "$scratch/threads-$threads" profile.json
  done
  check "$name: seven lines of metrics" test "$(metrics "$scratch/threads-1" | wc -l)" -eq 7  # four steps, evaluations at 0, 2 and 4
}

rows 1,40 >"$scratch/train.jsonl"
rows 41,46 >"$scratch/eval.jsonl"
tiny_model "$scratch/model" 1
compare "embedded model" "$base" select.fraction=0.2 select.k=8 train.micro_batch_tokens=1024
compare "two micro-batches a step" "$scratch/model" select.k=3 train.micro_batch_tokens=512 train.grad_accumulation=2
compare "load balancing" "$scratch/model" select.k=3 train.micro_batch_tokens=512 train.router_aux_loss=0.01
compare "fp32 weights" "$scratch/model" select.k=3 train.micro_batch_tokens=512 compute.weights=fp32
# The comparison can fail: another seed gives other bytes.
seed=4 run 2 "$scratch/model" select.k=3 train.micro_batch_tokens=512 compute.weights=fp32
differs "another seed" same_run "$scratch/threads-1" "$scratch/threads-2"
finish
