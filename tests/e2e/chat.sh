#!/usr/bin/env bash
# Conversations from the record to the answer: inspect --data, train on messages, the template travels with the adapter, chat.
source tests/e2e/lib.sh
model=$scratch/model
train=$scratch/train.jsonl
run=$scratch/run
tiny_model "$model" 1 --fp32 --deviation 0.1
sed -i 's/"max_position_embeddings": 512/"max_position_embeddings": 8192/' "$model/config.json"  # room for a long answer

python3 - "$train" "$scratch" <<'PY'
import json, sys
rows = [json.loads(line) for line in open("data/gsm8k/train.jsonl")][:24]
out, folder = sys.argv[1:]
with open(out, "w") as file:
    for row in rows:
        turns = [{"role": "system", "content": "Be short."}, {"role": "user", "content": row["question"][:120]},
                 {"role": "assistant", "content": row["answer"][:80]}, {"role": "user", "content": "Sure?"},
                 {"role": "assistant", "content": "Yes."}]
        file.write(json.dumps({"messages": turns}) + "\n")
with open(folder + "/sharegpt.jsonl", "w") as file:
    file.write(json.dumps({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]}) + "\n")
with open(folder + "/alpaca.jsonl", "w") as file:
    file.write(json.dumps({"instruction": "Add.", "input": "1 2", "output": "3", "system": "S", "history": [["a", "b"]]}) + "\n")
with open(folder + "/ids.jsonl", "w") as file:
    file.write(json.dumps({"input_ids": [5, 6, 7, 8], "labels": [-100, -100, 7, 8]}) + "\n")
with open(folder + "/order.jsonl", "w") as file:
    file.write(json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "1"}, {"role": "assistant", "content": "b"}]}) + "\n")
with open(folder + "/role.jsonl", "w") as file:
    file.write(json.dumps({"messages": [{"role": "wizard", "content": "x"}, {"role": "assistant", "content": "y"}]}) + "\n")
with open(folder + "/far.jsonl", "w") as file:
    file.write(json.dumps({"input_ids": [5, 999999], "labels": [5, 999999]}) + "\n")
open(folder + "/broken.jsonl", "w").write('{"messages": [\n')
open(folder + "/loop.jinja", "w").write("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}")
open(folder + "/own.jinja", "w").write("{% for m in messages %}[{{ m.role }}] {{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}")
PY

inspected() { python3 -c 'import json, sys
it = json.load(open(sys.argv[1]))
assert eval(sys.argv[2]), json.dumps(it)[:400]' "$scratch/out" "$1"; }

shows() {  # name, condition on the JSON, options
  local name=$1 condition=$2
  shift 2
  works "$name" inspect --json --model "$model" "$@"
  check "$name: $condition" inspected "$condition"
}

refuses() {  # pattern, command: exit code 2 and a line that matches
  local pattern=$1
  shift
  call "$@"
  check "refused ($pattern): exit code 2" test $? -eq 2
  check "refused ($pattern): says so" grep -Eq "$pattern" "$scratch/err"
}

shows "inspect --data messages" 'len(it["rows"]) == 2 and len(it["lengths"]) == 24 and list(it["formats"].values()) == ["messages"]' \
  --data "$train" --n 2 --chat-template chatml
shows "all turns are supervised" '"Yes." in it["rows"][0]["text"] and it["supervised"] > 24 * 10' --data "$train" --chat-template chatml
every=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["supervised"])' "$scratch/out")
shows "last turn only" "0 < it['supervised'] < $every / 3" --data "$train" --chat-template chatml --train-on last-turn
shows "sharegpt" 'it["supervised"] > 0' --data "$scratch/sharegpt.jsonl" --chat-template chatml
shows "alpaca with history" 'it["supervised"] > 0 and "Add." in it["rows"][0]["text"]' --data "$scratch/alpaca.jsonl" --chat-template chatml
shows "token ids" 'it["rows"][0]["ids"] == [5, 6, 7, 8] and it["supervised"] == 2' --data "$scratch/ids.jsonl"
works "inspect --data for people" inspect --data "$train" --model "$model" --n 1 --chat-template chatml
check "supervised tokens are marked" grep -q "«" "$scratch/out"
check "lengths are drawn" grep -q "####" "$scratch/out"

settings=(--quiet "model=$model" compute.weights=fp32 adapter.rank=4 select.mode=base select.fraction=1 train.lr=1e-2 train.max_steps=4
  train.micro_batch_tokens=1024)
works "train on messages" train "${settings[@]}" "data.train=$train" "output=$run" "data.chat_template=$scratch/own.jinja"
check "the template lies in the adapter" cmp "$scratch/own.jinja" "$run/adapter/chat_template.jinja"
rm "$scratch/own.jinja"
works "eval takes the adapter's template" eval --json --model "$model" --adapter "$run/adapter" --data "$train"
check "eval: a loss" inspected 'it["perplexity"]["tokens"] > 0'
works "generate takes the adapter's template" generate --json --model "$model" --adapter "$run/adapter" --prompt "Hi" --max-new-tokens 4
works "train with a built-in template" train "${settings[@]}" "data.train=$train" "output=$run.named" data.chat_template=olmoe data.train_on=last-turn
check "its name is in the adapter" grep -q '"chat_template": "olmoe"' "$run.named/adapter/hellora.json"

talk() { printf '%s\n' "$@" | "$hellora" chat --json --model "$model" --adapter "$run/adapter" --max-new-tokens 6 >"$scratch/out" 2>"$scratch/err"; }
check "chat: two turns" talk "Hi" "And now?"
check "chat: the history grows" inspected '[m["role"] for m in it["messages"]] == ["user", "assistant"] * 2'
check "chat: /system and /reset" talk "Hi" "/system Be kind." "/reset" "Again"
check "chat: what they leave" inspected '[m["role"] for m in it["messages"]] == ["system", "user", "assistant"] and it["messages"][0]["content"] == "Be kind."'

# Ctrl-C stops the answer, and the program answers the next line.
mkfifo "$scratch/questions"
from_terminal "$hellora" chat --quiet --model "$model" --adapter "$run/adapter" --max-new-tokens 1500 --temperature 2 <"$scratch/questions" >"$scratch/answers" 2>"$scratch/err" &
talker=$!
exec 3>"$scratch/questions"
printf 'Tell me a long story\n' >&3
until_true $talker test -s "$scratch/answers"  # it answers
kill -INT $talker
printf 'Next\n' >&3
exec 3>&-
wait $talker
check "chat: Ctrl-C does not end it" test $? -eq 0
printf '%s\n' "Tell me a long story" "Next" | "$hellora" chat --quiet --model "$model" --adapter "$run/adapter" --max-new-tokens 1500 \
  --temperature 2 >"$scratch/whole" 2>"$scratch/err"
check "chat: the first answer was cut" test "$(stat -c %s "$scratch/answers")" -lt "$(stat -c %s "$scratch/whole")"

refuses 'chat template' train "${settings[@]}" "data.train=$train" "output=$scratch/none"
refuses 'chat template' chat --model "$model"
refuses 'order.jsonl:1.*messages.*must follow an assistant' inspect --model "$model" --data "$scratch/order.jsonl" --chat-template chatml
refuses 'role.jsonl:1.*messages.*wizard' inspect --model "$model" --data "$scratch/role.jsonl" --chat-template chatml
refuses 'outside the model' train "${settings[@]}" "data.train=$scratch/far.jsonl" "output=$scratch/none"
refuses 'broken.jsonl:1.*column' inspect --model "$model" --data "$scratch/broken.jsonl"
refuses 'loop.jinja:1: the template makes more than' inspect --model "$model" --data "$train" --chat-template "$scratch/loop.jinja"
refuses 'chatml' inspect --model "$model" --data "$train" --chat-template chatlm
finish
