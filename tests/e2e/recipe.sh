#!/usr/bin/env bash
# The quickstart's recipe with fewer steps: it learns, writes every file that docs/files.md names, and can be repeated.
source tests/e2e/lib.sh
run=$scratch/run
steps=40
# The rows fit and the warm-up stays short; everything else is the example's own.
less=(train.max_steps=$steps train.eval_steps=20 train.save_steps=20 select.fraction=0.03 "data.eval=$scratch/eval.jsonl")

names_of() {  # heading of docs/files.md: the names in code marks of the section's table or text
  sed -n "/^## $1/,/^## /p" docs/files.md
}

every_file() {
  local pattern
  for pattern in $(names_of "Run folder" | sed -n 's/^| \(`.*\) | .*/\1/p' | grep -oE '`[^`]+`' | tr -d '`' | sed 's/checkpoint-000100/checkpoint-000020/'); do
    # shellcheck disable=SC2086
    [ -n "$(compgen -G "$run/${pattern%/}")" ] || { echo "$pattern is not in the run folder"; return 1; }
  done
  test -f "$run/checkpoint-000020/DONE" && test -f "$run/checkpoint-0000$steps/DONE"
}

nothing_else() {  # no temporary file is left
  [ -z "$(find "$run" -name '*.tmp*' -o -name '.*')" ] || find "$run" -name '*.tmp*' -o -name '.*'
}

summary() {
  names_of summary.json | python3 -c '
import json, re, sys
text = sys.stdin.read()
s = json.load(open(sys.argv[1] + "/summary.json"))
keys = re.findall(r"[a-z_]+", re.sub(r"\"[^\"]*\"(\|\"[^\"]*\")*", "", text[text.index("{"):text.index("}`")]))
assert len(keys) >= 13, keys
for key in keys:
    assert key in s or key in s["eval"] or key in s["data"], key
assert s["audit"] == "passed", s["audit"]
assert s["eval"]["loss_after"] < s["eval"]["loss_before"] - 0.5, s["eval"]
assert s["peak_rss_bytes"] > 0 and s["forecast_rss_bytes"] > 0 and s["tokens_per_second"] > 0, s
for key in ("coverage_mean", "coverage_start", "coverage_end"):
    assert 8 / 32 < s[key] < 1, (key, s[key])
assert 0 < s["ratio_raw"] < s["ratio_of_percentages"] < 1, s
assert s["steps"] == int(sys.argv[2]) and s["adapter"] == sys.argv[1] + "/adapter", s' "$run" $steps
}

# Sums that other files must agree with.
facts() {
  python3 - "$run" $steps <<'PY'
import json, math, sys
from lib_tensors import read
run, steps = sys.argv[1], int(sys.argv[2])
load = lambda name: json.load(open(f"{run}/{name}"))
summary, audit, plan, profile = map(load, ("summary.json", "audit.json", "plan.json", "profile.json"))
adapter = read(f"{run}/adapter/adapter_model.safetensors")
assert summary["trainable"] == sum(math.prod(shape) for _, shape, _ in adapter.values())
for layer in profile["layers"]:
    assert sum(layer["counts"]) == layer["tokens"] * profile["top_k"] == profile["data"]["tokens"] * profile["top_k"]
for layer, chosen in zip(profile["layers"], plan["layers"]):
    hottest = sorted(range(32), key=lambda e: (-layer["counts"][e], e))[:8]
    assert chosen["experts"] == sorted(hottest), (layer["layer"], chosen["experts"], hottest)
    assert math.isclose(chosen["coverage"], sum(layer["counts"][e] for e in hottest) / sum(layer["counts"]))
assert math.isclose(summary["coverage_mean"], sum(l["coverage"] for l in plan["layers"]) / len(plan["layers"]))
assert audit["verdict"] == "passed" and audit["frozen_unchanged"] and not audit["failures"], audit["failures"]
assert {site["path"] for site in audit["sites"]} == {n[17:].rsplit(".lora_", 1)[0] for n in adapter}
lines = [json.loads(line) for line in open(f"{run}/metrics.jsonl")]
train = [line for line in lines if "loss" in line]
assert [line["step"] for line in train] == list(range(1, steps + 1))
assert all(key in line for line in train for key in
           ("loss", "lr", "grad_norm", "tokens", "supervised_tokens", "tokens_per_s", "rss_bytes", "seconds"))
assert [(line["step"], "eval_loss" in line) for line in lines if "loss" not in line] == [(0, True), (20, True), (40, True)]
PY
}

table() {  # what a person sees
  local wanted
  for wanted in "evaluation loss before" "evaluation loss after" "trainable parameters" "with all experts" "raw ratio" \
    "quotient of percentages" "coverage per layer" "training speed" "memory forecast / peak" "audit  *passed" "$run/adapter"; do
    grep -q "$wanted" "$scratch/table" || { echo "not printed: $wanted"; return 1; }
  done
}

head -n 40 data/gsm8k/test.jsonl >"$scratch/eval.jsonl"
works "run examples/quickstart.yaml" run examples/quickstart.yaml "${less[@]}" "output=$run"
cp "$scratch/out" "$scratch/table"
check "every file of docs/files.md" every_file
check "no temporary file is left" nothing_else
check "summary.json" summary
check "profile, plan, adapter, audit and metrics agree" facts
check "the printed table" table
call run examples/quickstart.yaml "${less[@]}" "output=$run"
check "a second run into the same folder: exit code 2" test $? -eq 2
check "a second run into the same folder: says what to do" grep -q '^error: .*not empty.*--resume.*--overwrite' "$scratch/err"
works "the run's own config.yaml" train --quiet "$run/config.yaml" "output=$scratch/again"
check "the run's own config.yaml: the same adapter, plan, losses" same_run "$run" "$scratch/again"
finish
