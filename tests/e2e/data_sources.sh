#!/usr/bin/env bash
# Where rows come from: arrays and packed files, marks and masks of other tools, weights, parts that are kept for evaluation, bad rows.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

model=$scratch/model
cp -r "$base" "$model"
cp "$here/../../data/gsm8k/test.jsonl" "$scratch/all.jsonl"
head -24 "$scratch/all.jsonl" >"$scratch/rows.jsonl"
settings=(recipe=hellora "model=$base" train.max_steps=2 select.mode=base select.k=4 adapter.rank=4)

prints() {  # name, text: the last call's output holds it
  if grep -qF -- "$2" "$scratch/out" "$scratch/err"; then pass; else fail "$1: not printed: $2" "$(tail -n 3 "$scratch/err")"; fi
}

refused() {  # name, text, arguments: exit code 2, one line with the text
  local name=$1 text=$2
  shift 2
  call "$@"
  local status=$?
  if [ $status -ne 2 ]; then fail "$name: exit code $status" "$(tail -n 3 "$scratch/err")"; else prints "$name" "$text"; fi
}

loss() { "$hellora" eval --json --quiet --model "$base" --data "$1" 2>/dev/null; }

# The same rows, however they are kept.
python3 - "$scratch" <<'PY'
import gzip, json, sys
folder = sys.argv[1]
rows = [json.loads(line) for line in open(folder + "/rows.jsonl", encoding="utf-8")]
json.dump(rows, open(folder + "/rows.json", "w", encoding="utf-8"))
json.dump(rows, open(folder + "/pretty.json", "w", encoding="utf-8"), indent=2)
open(folder + "/rows.jsonl.gz", "wb").write(gzip.compress(open(folder + "/rows.jsonl", "rb").read()))
open(folder + "/crlf.jsonl", "wb").write(b"\xef\xbb\xbf" + open(folder + "/rows.jsonl", "rb").read().replace(b"\n", b"\r\n"))
open(folder + "/rows.parquet", "wb").write(b"PAR1\x15\x04\x15\x00" * 8)
open(folder + "/rows.csv", "w").write("question,answer\na,b\n")
bad = ["{", '{"question": "q"}', '{"question": "q", "answer": "a", "weight": 0.5}']
open(folder + "/bad.jsonl", "w").write("\n".join(bad) + "\n" + open(folder + "/rows.jsonl").read())
PY
want=$(loss "$scratch/rows.jsonl")
for file in rows.json pretty.json rows.jsonl.gz crlf.jsonl; do
  check "$file has the loss of rows.jsonl" test "$(loss "$scratch/$file")" = "$want"
done
refused "parquet" "pandas.read_parquet" eval --model "$base" --data "$scratch/rows.parquet"
refused "csv" "csv is not read; expected JSON Lines" eval --model "$base" --data "$scratch/rows.csv"
head -c 300 "$scratch/rows.jsonl.gz" >"$scratch/cut.gz"
refused "a cut file" "the gzip data ends early" eval --model "$base" --data "$scratch/cut.gz"

# Marks, masks and forms of other tools, as the model sees them.
printf '%s\n' '{% for m in messages %}[{{ m.role }}] {{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}
{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}' >"$scratch/chat.jinja"
seen() { call inspect --data "$scratch/one.jsonl" --model "$model" --chat-template "$scratch/chat.jinja"; tr -d '|\n' <"$scratch/out" >"$scratch/flat"; }
shows() {  # name, record, text
  printf '%s\n' "$2" >"$scratch/one.jsonl"
  seen
  if grep -qF -- "$3" "$scratch/flat"; then pass; else fail "$1: not shown: $3" "$(cat "$scratch/flat" "$scratch/err")"; fi
}
lacks() {  # name, record, text
  printf '%s\n' "$2" >"$scratch/one.jsonl"
  seen
  if grep -qF -- "$3" "$scratch/flat"; then fail "$1: shown: $3" "$(cat "$scratch/flat")"; else pass; fi
}
two='{"role":"user","content":"q"},{"role":"assistant","content":"bad"'
for mark in '"train":false' '"weight":0' '"loss":false' '"trainable":0' '"loss_mask":0' '"training":false' '"masked":true'; do
  lacks "$mark takes a turn out" "{\"messages\":[$two,$mark},{\"role\":\"user\",\"content\":\"r\"},{\"role\":\"assistant\",\"content\":\"good\"}]}" '« bad'
  shows "$mark leaves the other" "{\"messages\":[$two,$mark},{\"role\":\"user\",\"content\":\"r\"},{\"role\":\"assistant\",\"content\":\"good\"}]}" 'good'
done
lacks "a list of marks" "{\"messages\":[$two},{\"role\":\"user\",\"content\":\"r\"},{\"role\":\"assistant\",\"content\":\"good\"}],\"loss_mask\":[0,0,0,1]}" '«bad'
shows "text parts" '{"messages":[{"role":"user","content":[{"type":"text","text":"How many legs?"}]},{"role":"assistant","content":[{"type":"text","text":"Four."}]}]}' '[user] How many legs?'
shows "arguments as text" '{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"","tool_calls":[{"type":"function","function":{"name":"f","arguments":"{\"day\": \"today\"}"}}]}]}' '{"day": "today"}'
shows "padding" '{"input_ids":[50,60,70,80,1,1,1],"attention_mask":[1,1,1,1,0,0,0]}' 'format ids: 4 tokens, 4 supervised'
shows "no calls" '{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho","tool_calls":[]}]}' '[user] hi'
shows "an empty system message" '{"messages":[{"role":"system","content":""},{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]}' '[user] hi'
shows "an escape sequence is shown" '{"messages":[{"role":"user","content":"\u001b[2Jhi"},{"role":"assistant","content":"ho"}]}' '\x1B'
printf '%s\n' '{"text":"fine"}' '{"text":true}' >"$scratch/one.jsonl"
refused "a bad row has its line" "one.jsonl:2: key \"text\"" inspect --data "$scratch/one.jsonl" --model "$model"
printf '%s\n' '{"input_ids":[5,99999]}' >"$scratch/one.jsonl"
refused "an id outside of the vocabulary has its line" "one.jsonl:1: token id 99999" inspect --data "$scratch/one.jsonl" --model "$model"
printf '%s\n' '{"prompt":"p","chosen":"a","rejected":"b"}' >"$scratch/one.jsonl"
refused "preference pairs" "preference pair; those are not supported" inspect --data "$scratch/one.jsonl" --model "$model"

# Bad rows.
refused "a bad row stops" "bad.jsonl:1: not valid JSON" train "${settings[@]}" "data.train=$scratch/bad.jsonl" "output=$scratch/stop"
works "bad rows are skipped" train "${settings[@]}" "data.train=$scratch/bad.jsonl" data.on_error=skip "output=$scratch/skip"
prints "the first are named" "bad.jsonl:2: the record has the keys of no known format"
prints "they are counted" "3 skipped as bad"
holds() { python3 -c 'import json,sys;it=json.load(open(sys.argv[1]));assert eval(sys.argv[2]),it' "$1" "$2"; }
refused "eval stops at a bad row" "bad.jsonl:1: not valid JSON" eval --model "$base" --data "$scratch/bad.jsonl"
works "eval skips bad rows" eval --json --model "$base" --data "$scratch/bad.jsonl" --on-error skip
prints "eval names them" "skipped: $scratch/bad.jsonl:2: the record has the keys of no known format"
check "eval counts them, and has the loss of the others" holds "$scratch/out" \
  "it['perplexity'].pop('skipped_bad') == 3 and it == json.loads('''$want''')"
refused "a task skips nothing" "--on-error skip is not for --task" eval --model "$base" --task gsm8k --data "$scratch/bad.jsonl" --on-error skip
refused "inspect stops at a bad row" "bad.jsonl:1: not valid JSON" inspect --data "$scratch/bad.jsonl" --model "$model"
works "inspect skips bad rows" inspect --data "$scratch/bad.jsonl" --model "$model" --on-error skip
prints "inspect names them" "skipped: $scratch/bad.jsonl:3: \"weight\""
prints "inspect counts them" "24 rows"
prints "inspect says so" "3 records skipped as bad"
printf '%s\n' '{"input_ids":[5,99999]}' '{"input_ids":[5,-1]}' '{' '[' '3' '4' '{"input_ids":[5,6]}' >"$scratch/one.jsonl"
works "inspect skips ids that no token has" inspect --json --data "$scratch/one.jsonl" --model "$model" --on-error skip
prints "the first of many are named" "skipped: $scratch/one.jsonl:1: token id 99999"
prints "the others are counted" "skipped: 1 more records with an error"
check "only the good row is left" holds "$scratch/out" "it['skipped_bad'] == 6 and it['lengths'] == [2] and len(it['rows']) == 1"
head -6 "$scratch/one.jsonl" >"$scratch/none.jsonl"
refused "nothing but bad rows" "no usable record (6 bad ones, the first: $scratch/none.jsonl:1" inspect --data "$scratch/none.jsonl" --model "$model" --on-error skip
works "a profile of data with bad rows" profile --model "$base" --data "$scratch/bad.jsonl" --mode base data.on_error=skip --out "$scratch/bad_profile.json"
check "it counts them" holds "$scratch/bad_profile.json" "it['data']['skipped_bad'] == 3"
works "it is read" inspect "$scratch/bad_profile.json"
prints "and says so" "3 bad records of the data skipped"
works "a profile without bad rows" profile --model "$base" --data "$scratch/rows.jsonl" --mode base --out "$scratch/rows_profile.json"
check "it has no such key" holds "$scratch/rows_profile.json" "'skipped_bad' not in it['data']"
check "the summary counts them" python3 -c "import json,sys;assert json.load(open(sys.argv[1]))['data']['skipped_bad']==3" "$scratch/skip/summary.json"

# A part of the training rows for evaluation, and weights: the same after a resume.
parts=("data.train=[$scratch/rows.jsonl,$scratch/rows.json]" "data.weights=[1,0.5]" data.eval=25% train.save_steps=1)
works "a part is kept" train "${settings[@]}" "${parts[@]}" "output=$scratch/parts"
prints "and said" "kept from the training data"
check "it is measured" python3 -c "import json,sys;assert json.load(open(sys.argv[1]))['eval']['loss_after']>0" "$scratch/parts/summary.json"
works "again" train "${settings[@]}" "${parts[@]}" "output=$scratch/again"
check "the same adapter" cmp "$scratch/parts/adapter/adapter_model.safetensors" "$scratch/again/adapter/adapter_model.safetensors"
rm -rf "$scratch"/again/checkpoint-000002 "$scratch/again/adapter"
works "resumed" train --resume "$scratch/again" "output=$scratch/again"
check "the same after a resume" cmp "$scratch/parts/adapter/adapter_model.safetensors" "$scratch/again/adapter/adapter_model.safetensors"
refused "weights for other files" "data.weights has 1 numbers for 2 files" train "${settings[@]}" "${parts[@]}" data.weights=1 "output=$scratch/w"
refused "no share" "is no part of the training rows" train "${settings[@]}" "${parts[@]}" data.eval=150% "output=$scratch/w"

finish
