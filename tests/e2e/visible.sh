#!/usr/bin/env bash
# What a person sees of a run: a line for every phase, evaluations, the forecast and the dry run, warnings, and `inspect` of what a run leaves.
source tests/e2e/lib.sh
run=$scratch/run
tiny_model "$scratch/model" 3
rows 1,24 >"$scratch/train.jsonl"
rows 25,32 >"$scratch/eval.jsonl"
settings=("model=$scratch/model" "data.train=$scratch/train.jsonl" "data.eval=$scratch/eval.jsonl" data.max_length=512 select.mode=base select.k=2
  select.fraction=1 adapter.rank=4 train.max_steps=10 train.eval_steps=4 train.save_steps=5 train.micro_batch_tokens=512)

says() { grep -qE -- "$1" "$scratch/err" || { echo "not said: $1"; tail -n 20 "$scratch/err"; return 1; }; }
json() { python3 -c 'import json, sys
it = json.loads(open(sys.argv[1]).read())
assert eval(sys.argv[2]), it' "$scratch/out" "$1"; }

# --- before a run
works "dry run" run "${settings[@]}" "output=$scratch/none" --dry-run
for row in "training rows / tokens  *24 / " "evaluation rows / tokens  *8 / " "steps  *10$" "steps per epoch" "tokens per step" "trainable parameters, at most" \
  "memory, at most" "time of the whole run  *about .* to " "nothing was written"; do
  check "dry run: $row" grep -qE "^$row" "$scratch/out"
done
check "dry run: no folder is made" test ! -e "$scratch/none"
works "dry run of train, without an output" train "${settings[@]}" --dry-run --json
check "dry run: as JSON" json 'it["rows"] == 24 and it["steps"] == 10 and it["trainable"] > 0 and it["forecast_rss_bytes"] > 0 and 0 < it["forecast_seconds"][0] < it["forecast_seconds"][1]'
call run "${settings[@]}" "output=$scratch/none" data.train="$scratch/absent.jsonl" --dry-run
check "dry run: bad input is refused" test $? -eq 2

# --- a run into a file
works "run" run "${settings[@]}" "output=$run"
cp "$scratch/out" "$scratch/table"
check "the model that is loaded" says "^info: loading $scratch/model: 2 layers, "
check "the forecast" says '^info: forecast: at most .* of memory; about .* to .* for 10 steps of [0-9,]+ tokens'
check "the profile" says '^profile 1/[0-9]+ .*tokens  '
check "the evaluation as it goes" says '^evaluate 1/[0-9]+  loss [0-9.]+  (ETA|done)'
check "the evaluation before" says '^eval 0: loss [0-9.]+$'
for step in 4 8 10; do check "the evaluation at $step" says "^eval $step: loss [0-9.]+ \([0-9.]+ at start\)$"; done
check "the learning rate" says '^train 10/10  loss [0-9.]+  lr [0-9]\.[0-9]e-[0-9]+  '
check "few lines" test "$(grep -cE '^(train|profile|evaluate) [0-9]' "$scratch/err")" -le 120
check "no terminal, no control characters" test "$(grep -c $'[\r\033]' "$scratch/err")" -eq 0
check "where the time went" grep -qE '^time  *[0-9]+s' "$scratch/table"
works "quiet" train --quiet "${settings[@]}" "output=$scratch/quiet"
check "quiet: nothing is said" test ! -s "$scratch/err"
call train "${settings[@]}" --log-level warn "output=$scratch/warn"
check "only warnings: no progress" test "$(grep -cvE '^(warning|error): ' "$scratch/err")" -eq 0

points() { python3 - "$1" <<'PY'
import json, math, sys
lines = [json.loads(line) for line in open(sys.argv[1] + "/metrics.jsonl")]
points = [line for line in lines if "loss" not in line]
assert [point["step"] for point in points] == [0, 4, 8, 10], points
assert all("eval_loss" in point for point in points)
assert "expert_load" not in points[0]
summary, plan = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in ("summary", "plan"))
assert points[0]["eval_loss"] == summary["eval"]["loss_before"] and points[-1]["eval_loss"] == summary["eval"]["loss_after"]
train = [line for line in lines if "loss" in line]
before = 0
for point in points[1:]:
    load = point["expert_load"]
    assert load["tokens"] == train[point["step"] - 1]["tokens"] - before
    before = train[point["step"] - 1]["tokens"]
    for layer, chosen in zip(load["layers"], plan["layers"]):
        counts, experts = layer["load"], chosen["experts"]
        assert layer["layer"] == chosen["layer"] and len(counts) == 8
        if layer is not load["layers"][-1]:
            assert sum(counts) == load["tokens"] * 2, (sum(counts), load["tokens"])
        assert math.isclose(layer["coverage"], sum(counts[e] for e in experts) / sum(counts))
        assert math.isclose(layer["balance"], max(counts) * len(counts) / sum(counts))
        hot = [e for e in experts if sum(c > counts[e] for c in counts) < len(experts)]
        assert math.isclose(layer["drift"], 1 - len(hot) / len(experts))
    for key in ("coverage", "drift", "balance"):
        assert math.isclose(load[key], sum(layer[key] for layer in load["layers"]) / len(load["layers"]))
for key in ("version", "kernel", "threads", "compute", "coverage_layers", "steps_per_epoch", "wall_seconds", "forecast_seconds"):
    assert summary[key], key
assert summary["k"] == 2 and len(summary["coverage_layers"]) == 2
spent = summary["seconds"]
assert math.isclose(sum(spent[key] for key in spent if key != "total"), spent["total"], rel_tol=0.01), spent
assert {"loading", "data", "profile", "training", "evaluation"} <= spent.keys()
PY
}
check "points and loads in the metrics" points "$run"

# --- a resumed run has the same points
evaluations() { grep eval_loss "$1/metrics.jsonl"; }
same_points() { diff <(evaluations "$run") <(evaluations "$1"); }
for step in 5 10; do
  cp -r "$run" "$scratch/again$step"
  rm -rf "$scratch/again$step/summary.json" "$scratch/again$step/adapter"
  [ $step -eq 10 ] || rm -rf "$scratch/again$step/checkpoint-000010"
  works "resume at $step" train --quiet --resume "$scratch/again$step"
  check "resume at $step: the same evaluations and loads" same_points "$scratch/again$step"
done

# --- a terminal
terminal() {  # columns, signal after the first step or none, arguments
  python3 - "$@" >"$scratch/screen" 2>&1 <<'PY'
import fcntl, os, pty, signal, struct, sys, termios
columns, stop, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
child, screen = pty.fork()
if child == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.update(TERM="xterm", NO_COLOR="1")
    os.execv(os.environ["HELLORA"], [os.environ["HELLORA"], *arguments])
fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
seen = b""
while True:
    try:
        piece = os.read(screen, 65536)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if stop == "stop" and b"train 2/" in seen:
        os.kill(child, signal.SIGINT)
        stop = "stopped"
sys.stdout.buffer.write(seen)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
PY
}

# Lines as they were drawn, one a row: what a carriage return replaced is a line of its own.
drawn() { tr '\r' '\n' <"$scratch/screen" | sed 's/\x1b\[K//g; s/\x1b\[[0-9;]*m//g'; }
on_screen() { drawn | grep -qE -- "$1" || { echo "not on the screen: $1"; drawn | tail -n 30; return 1; }; }
narrow() { ! drawn | grep -E '^(train|profile|evaluate|load) [0-9]+/' | grep -E '.{50}'; }

terminal 100 none train "${settings[@]}" "output=$scratch/wide"
check "a terminal: exit code 0" test $? -eq 0
for phase in load profile evaluate; do check "a terminal: a bar of $phase" on_screen "^$phase [0-9]+/[0-9]+ \[=*[>=] *\]  "; done
check "a terminal: the evaluation's result" on_screen '^eval 4: loss '
check "a terminal: the last step stays" grep -qE $'train 10/10 .*done\r?$' "$scratch/screen"
terminal 50 none train "${settings[@]}" "output=$scratch/narrow"
check "a narrow terminal: exit code 0" test $? -eq 0
check "a narrow terminal: no line is wider" narrow
terminal 100 stop train "${settings[@]}" train.max_steps=4000 train.eval_steps=0 "output=$scratch/stopped"
check "Ctrl-C: exit code 130" test $? -eq 130
check "Ctrl-C: the message has its own line" grep -qE '^warning: stopped after step' <(sed 's/\x1b\[[0-9;]*m//g' "$scratch/screen")

# --- what a run leaves
shows() {  # name, pattern, path
  works "inspect $1" inspect "$3"
  check "inspect $1: $2" grep -qE -- "$2" "$scratch/out"
}
shows "a run" '^finished run$' "$run"
shows "a run: evaluation" '^evaluation loss  *[0-9.]+ at step 0, [0-9.]+ at step 10$' "$run"
shows "a run: checkpoints" '^checkpoints  .*checkpoint-000005, checkpoint-000010' "$run"
shows "audit.json" '^audit: passed, frozen weights unchanged$' "$run/audit.json"
shows "summary.json" '^seconds.training ' "$run/summary.json"
shows "metrics.jsonl" '^metrics: 14 lines, up to step 10$' "$run/metrics.jsonl"
shows "a checkpoint" '^checkpoint after step 5: complete' "$run/checkpoint-000005"
shows "a run that was stopped" '^run that is not finished$' "$scratch/stopped"
shows "how it goes on" "^go on with  *hellora (run|train) --resume $scratch/stopped$" "$scratch/stopped"
events=$(cd "$run" && echo events.out.tfevents.*)
shows "an event file" '^event file: [0-9]+ records, [0-9]+ tags, every checksum holds$' "$run/$events"
shows "an event file: a scalar" '^train/loss  *scalar  *10  *1  *10  *[0-9.]+$' "$run/$events"
shows "an event file: a histogram" '^expert_load/layer_00  *histogram  *3  *4  *10  *[0-9]+ counted$' "$run/$events"
shows "a configuration" '^configuration: [0-9]+ of [0-9]+ keys differ from the defaults$' "$run/config.yaml"
shows "a configuration: a key" '^train.max_steps  *10  *0$' "$run/config.yaml"
differs "a configuration: a default" grep -q '^train.weight_decay' "$scratch/out"
for what in "" /audit.json /summary.json /metrics.jsonl /checkpoint-000005 /config.yaml "/$events"; do
  works "inspect --json RUN$what" inspect --json "$run$what"
  check "inspect --json RUN$what is an object" json 'isinstance(it, dict) and it'
done
rm "$scratch/stopped/metrics.jsonl"
shows "a run without metrics" '^run that is not finished$' "$scratch/stopped"
finish
