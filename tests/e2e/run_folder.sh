#!/usr/bin/env bash
# The output folder belongs to one run, and nothing that is not a run's own is ever removed.
source tests/e2e/lib.sh
hellora=$(realpath "$hellora") # some of it runs in other folders
model=$scratch/model
rows 1,12 >"$scratch/d.jsonl"
tiny_model "$model" 1
S=("model=$model" "data.train=$scratch/d.jsonl" select.mode=base select.policy=hot select.k=3 adapter.rank=4 train.max_steps=2
  train.micro_batch_tokens=512)

refuse() {  # name, pattern, arguments: exit code 2 and one line
  local name=$1 pattern=$2 status
  shift 2
  call "$@"
  status=$?
  check "$name: exit code 2" test $status -eq 2
  check "$name: one line" test "$(grep -c '^error: ' "$scratch/err")" -eq 1
  check "$name: says $pattern" grep -q "^error: .*$pattern" "$scratch/err"
}

listing() { (cd "$1" && find . -type f -exec sha256sum {} + | sort); }

# Two at once, a resume beside a running one, --overwrite of a running one.
two_at_once() {
  local folder=$scratch/two process
  "$hellora" train "${S[@]}" "output=$folder" train.max_steps=4000 --quiet 2>"$scratch/first" &
  process=$!
  until_true $process test -e "$folder/metrics.jsonl" || fail "two at once: the first one ended"
  refuse "a second run" "two: in use by process $process on " train "${S[@]}" "output=$folder"
  refuse "a resume" "in use by process $process" train --resume "$folder"
  refuse "a resume by run" "in use by process $process" run --resume "$folder"
  refuse "an overwrite" "in use by process $process" run "${S[@]}" "output=$folder" --overwrite
  check "the first one goes on" kill -0 $process
  kill -9 $process
  wait $process 2>/dev/null
  works "the lock dies with the process" train "${S[@]}" --quiet "output=$folder" --overwrite
}

# A project with a configuration of its own, its model and data in the output.
project() {
  local folder=$scratch/project
  mkdir "$folder"
  cp -r "$model" "$folder/model"
  cp "$scratch/d.jsonl" "$folder/"
  printf 'model: model\ndata: {train: d.jsonl}\noutput: .\nselect: {mode: base}\ntrain: {max_steps: 1}\n' >"$folder/config.yaml"
  listing "$folder" >"$scratch/before"
  pushd "$folder" >/dev/null || return
  refuse "a project" "lies inside the output folder" train config.yaml --overwrite
  popd >/dev/null || return
  refuse "a project from outside" "no hellora.run" train "${S[@]}" "output=$folder" --overwrite
  refuse "a project without" "not empty" train "${S[@]}" "output=$folder"
  check "the project is as it was" diff "$scratch/before" <(listing "$folder")
}

# What the run reads may not lie where --overwrite removes, even in a run's folder.
inside() {
  local folder=$scratch/inside key
  need train "${S[@]}" --quiet "output=$folder"
  cp -r "$model" "$folder/base"
  cp "$scratch/d.jsonl" "$folder/"
  echo '{{ messages[0].content }}' >"$folder/t.jinja"
  ln -s inside "$scratch/link"
  listing "$folder" >"$scratch/before"
  for key in "model=$folder/base" "data.train=$folder/d.jsonl" "data.eval=$scratch/link/d.jsonl" "select.plan=$folder/plan.json" \
    "data.chat_template=$folder/t.jinja"; do
    refuse "$key" "lies inside the output folder" train "${S[@]}" "output=$folder" --overwrite "$key"
  done
  refuse "its own configuration" "lies inside the output folder" train "$folder/config.yaml" "output=$scratch/link" --overwrite
  refuse "resume and overwrite" "take one of them" train --resume "$folder" --overwrite
  check "all is as it was" diff "$scratch/before" <(listing "$folder")
  call train "${S[@]}" "output=$scratch/link" --overwrite
  check "overwrite: what no run writes stays" test -e "$folder/d.jsonl" -a -e "$folder/base/config.json" -a -e "$folder/t.jinja" -a -L "$scratch/link"
  check "overwrite: says what stays" grep -q '^warning: .*leaves what no run writes: base, d.jsonl, t.jinja' "$scratch/err"
  check "overwrite: the run is there" test -e "$folder/summary.json"
}

no_run() {
  mkdir "$scratch/empty" "$scratch/other"
  echo 'seed: 1' >"$scratch/other/config.yaml"
  refuse "resume of an empty folder" "no run folder or checkpoint to resume" train "${S[@]}" --resume "$scratch/empty" "output=$scratch/empty"
  refuse "resume of another folder" "no run folder or checkpoint to resume" train "${S[@]}" --resume "$scratch/other" "output=$scratch/other"
  refuse "run --resume without a run" "no run folder or checkpoint to resume" run "${S[@]}" "output=$scratch/nowhere" --resume
  refuse "bad input leaves nothing" "absent" train "${S[@]}" "output=$scratch/a/b" "data.train=$scratch/absent.jsonl"
  check "bad input leaves nothing" test ! -e "$scratch/a"
}

# Names that YAML, a shell or a terminal could read as something else.
names() {
  local name
  for name in $'line\nbreak' '? question' '# hash' ' lead' 'trail ' '- dash' 'a: b' '"q"' "it's" $'tab\there' '&a *b'; do
    (cd "$scratch" && mkdir -p names && cd names && "$hellora" train "${S[@]}" --quiet "output=$name" train.save_steps=1 2>"$scratch/err")
    check "output $name" test -e "$scratch/names/$name/summary.json"
    rm -r "$scratch/names/$name/checkpoint-000002" "$scratch/names/$name/summary.json"
    (cd "$scratch/names" && "$hellora" train --quiet --resume "./$name" 2>"$scratch/err")
    check "output $name: resumes into itself" test -e "$scratch/names/$name/summary.json"
  done
  check "output names: no other folders" test "$(find "$scratch/names" -mindepth 1 -maxdepth 1 -printf x | wc -c)" -eq 11
  refuse "a name that is not UTF-8" "is not valid UTF-8: output" train "${S[@]}" "output=$scratch/$(printf 'mod\xe8le')"
  cp -r "$model" "$scratch/$(printf 'mod\xe8le')"
  refuse "a model that is not UTF-8" "is not valid UTF-8: model" train "${S[@]}" "output=$scratch/latin" "model=$scratch/$(printf 'mod\xe8le')"
  check "a model that is not UTF-8: nothing is written" test ! -e "$scratch/latin"
}

# The lowest evaluation loss decides, killed or not.
best() {
  local folder=$scratch/best process
  local B=("${S[@]}" "data.eval=$scratch/d.jsonl" train.max_steps=12 train.lr=0.5 train.eval_steps=2 train.save_steps=4 train.keep_best=true
    train.save_total_limit=1)
  need train "${B[@]}" --quiet "output=$folder"
  "$hellora" train "${B[@]}" --quiet "output=$scratch/best_killed" 2>"$scratch/err" &
  process=$!
  until_true $process test -f "$scratch/best_killed/checkpoint-000008/DONE" || fail "best: ended before it could be killed"
  kill -9 $process
  wait $process 2>/dev/null
  works "best: resume" train --quiet --resume "$scratch/best_killed"
  check "best: the same bytes" same_run "$folder" "$scratch/best_killed"
  check "best: the adapter is that of the lowest loss" python3 - "$folder" <<'PY'
import json, os, sys
run = sys.argv[1]
summary = json.load(open(run + "/summary.json"))
losses = {}
for line in open(run + "/metrics.jsonl"):
    row = json.loads(line)
    if row.get("eval_loss") is not None and row["step"] > 0:
        losses[row["step"]] = row["eval_loss"]
step = summary["best_step"]
others = {s: l for s, l in losses.items() if s < 12}
lowest = min(others.values())
assert step == 12 or others[step] == lowest, (step, losses)
assert summary["eval"]["loss_after"] <= lowest, (summary["eval"], losses)
assert json.load(open(run + "/adapter/hellora.json"))["run"]["steps"] == step
folder = f"{run}/checkpoint-{step:06d}/adapter/adapter_model.safetensors"
assert open(folder, "rb").read() == open(run + "/adapter/adapter_model.safetensors", "rb").read()
PY
  works "early stop" train "${B[@]}" --quiet "output=$scratch/early" train.early_stop=1 train.max_steps=4000 train.schedule=constant
  check "early stop: it stopped" python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["steps"] < 4000' "$scratch/early/summary.json"
  refuse "keep_best without evaluations" "train.keep_best needs data.eval" train "${S[@]}" train.keep_best=true "output=$scratch/none"
}

nothing_trained() {
  refuse "no epochs" "nothing would be trained" train "${S[@]}" train.max_steps=0 train.epochs=0 "output=$scratch/none"
  refuse "no learning rate" "nothing would be trained" train "${S[@]}" train.lr=0 "output=$scratch/none"
  check "nothing is written" test ! -e "$scratch/none"
}

# A full disk, or a limit on files, in a checkpoint.
no_room() {
  local folder=$scratch/no_room
  (trap '' XFSZ; ulimit -f 64; exec "$hellora" train "${S[@]}" --quiet "output=$folder" adapter.rank=32 2>"$scratch/err")
  check "no room: exit code 2" test $? -eq 2
  check "no room: one line" grep -q '^error: cannot write ' "$scratch/err"
  check "no room: nothing temporary is left" test -z "$(find "$folder" -name '*.tmp*')"
}

two_at_once
project
inside
no_run
names
best
nothing_trained
no_room
finish
