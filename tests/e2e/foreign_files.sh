#!/usr/bin/env bash
# Models and adapters as other tools write them, through every command that reads them: used, or refused by name in one line.
source tests/e2e/lib.sh

model=$scratch/tiny
train=$scratch/train.jsonl
run=$scratch/run
adapter=$run/adapter
ids=$scratch/ids.json
out=$scratch/new

# A copy of a folder with keys of one of its JSON files set: NAME FOLDER FILE 'PYTHON DICT'
copy() {
  cp -rL "$2" "$scratch/$1"
  [ $# -lt 4 ] || python3 -c 'import json, sys
path = sys.argv[1]
data = json.load(open(path))
data.update(eval(sys.argv[2]))
json.dump(data, open(path, "w"))' "$scratch/$1/$3" "$4"
}

# Tensors of a copy changed by Python over {name: (dtype, shape, bytes)} called t.
tensors() {  # folder, file, code
  python3 -c 'import sys
from lib_tensors import read, write
t = read(sys.argv[1])
exec(sys.argv[2])
write(sys.argv[1], t)' "$1/$2" "$3"
}

refused() {  # exit code, text of the error, arguments
  local code=$1 wanted=$2 status
  shift 2
  timeout 60 "$hellora" "$@" >"$scratch/out" 2>"$scratch/err"
  status=$?
  if [ $status -eq "$code" ] && [ "$(grep -c '^error: ' "$scratch/err")" -eq 1 ] && grep '^error: ' "$scratch/err" | grep -q -- "$wanted"; then
    pass
  else
    fail "$*" "exit code $status instead of $code, or the error does not say: $wanted" "$(tail -n 3 "$scratch/err")"
  fi
  rm -rf "$out"
}

forward() { works "forward $1 ${2:-}" forward --quiet --model "$1" ${2:+--adapter "${2:-}"} --ids "$ids" --out "$scratch/logits"; }

same_numbers() {  # two files of tensors, relative tolerance: names may differ
  python3 -c 'import struct, sys
from lib_tensors import read
def values(path):
    out = []
    for name, (dtype, shape, data) in sorted(read(path).items()):
        if dtype == "F32":
            out += struct.unpack("<%df" % (len(data) // 4), data)
    return out
a, b, tolerance = values(sys.argv[1]), values(sys.argv[2]), float(sys.argv[3])
assert len(a) == len(b) > 0, "different sizes"
top = max(abs(x) for x in a)
worst = max(abs(x - y) for x, y in zip(a, b))
assert worst <= tolerance * top, f"largest difference {worst} of {top}"' "$@"
}

warns() {  # name, text
  check "$1 warns: $2" test "$(grep -c "^warning: .*$2" "$scratch/err")" -eq 1
}

# Every command that takes an adapter.
each_command() {  # folder of the adapter
  forward "$model" "$1"
  works "eval $1" eval --json --model "$model" --adapter "$1" --data "$train"
  works "generate $1" generate --model "$model" --adapter "$1" --prompt x --raw --max-new-tokens 2
  works "check $1" check --model "$model" --adapter "$1"
  works "merge $1" merge --model "$model" --adapter "$1" --out "$out"
  rm -rf "$out"
  works "export $1" export --model "$model" --adapter "$1" --format peft-full --out "$out"
  rm -rf "$out"
}

configs() {
  local row=0 wanted keys
  while IFS='|' read -r wanted keys; do
    row=$((row + 1))
    copy "c$row" "$model" config.json "$keys"
    refused 2 "config.json: .*$wanted" eval --model "$scratch/c$row" --data "$train"
  done <<'TABLE'
rms_norm_eps|{"rms_norm_eps": -1}
rope_theta|{"rope_theta": -5}
layer_types|{"layer_types": "full_attention"}
layer_types|{"sliding_window": 8, "layer_types": ["full_attention", "sliding_attention"]}
quantization_config|{"quantization_config": {"quant_method": "awq"}}
final_logit_softcapping|{"final_logit_softcapping": 30.0}
partial_rotary_factor|{"partial_rotary_factor": 0.5}
n_shared_experts|{"n_shared_experts": 2}
clip_qkv|{"clip_qkv": 0}
hidden_act|{"hidden_act": "gelu_new"}
num_experts_per_tok|{"num_experts_per_tok": 9}
tie_word_embeddings|{"tie_word_embeddings": 1}
rope_scaling.*mystery|{"rope_scaling": {"rope_type": "linear", "factor": 2.0, "mystery": 3}}
TABLE
  copy unknown "$model" config.json '{"brand_new_block": 3, "use_cache": False, "is_llama_config": True}'
  works "a model with an unknown key" forward --model "$scratch/unknown" --ids "$ids" --out "$scratch/logits"
  warns "an unknown key" 'key "brand_new_block" is 3'
  check "harmless keys say nothing" test "$(grep -c '^warning: ' "$scratch/err")" -eq 1
  copy ends "$model" config.json '{"eos_token_id": "two"}'
  refused 2 'config.json: key "eos_token_id"' generate --model "$scratch/ends" --prompt x --raw --max-new-tokens 1
}

model_tensors() {
  copy buffers "$model"
  tensors "$scratch/buffers" model.safetensors 't["model.layers.0.self_attn.rotary_emb.inv_freq"] = ("F32", (2,), bytes(8))'
  forward "$model"
  cp "$scratch/logits" "$scratch/plain_logits"
  forward "$scratch/buffers"
  check "a buffer changes nothing" cmp "$scratch/logits" "$scratch/plain_logits"
  copy tied "$model" config.json '{"tie_word_embeddings": True}'
  refused 2 'lm_head.weight differs from model.embed_tokens.weight; set tie_word_embeddings to false' eval --model "$scratch/tied" --data "$train"
  tensors "$scratch/tied" model.safetensors 't["lm_head.weight"] = t["model.embed_tokens.weight"]'
  forward "$scratch/tied"
  refused 2 'adapter.targets: "lm_head": this model.s head is tied' train --quiet recipe=hellora "model=$scratch/tied" "data.train=$train" \
    "output=$out" adapter.targets=q,lm_head select.mode=base
}

adapter_configs() {
  local row=0 wanted keys
  while IFS='|' read -r wanted keys; do
    row=$((row + 1))
    copy "a$row" "$adapter" adapter_config.json "$keys"
    refused 2 "adapter_config.json: .*$wanted" merge --model "$model" --adapter "$scratch/a$row" --out "$out"
  done <<'TABLE'
init_lora_weights.*pissa_niter_4.*path_initial_model|{"init_lora_weights": "pissa_niter_4"}
init_lora_weights.*olora|{"init_lora_weights": "olora"}
init_lora_weights.*corda|{"init_lora_weights": "corda"}
init_lora_weights.*loftq|{"init_lora_weights": "loftq"}
init_lora_weights.*svd|{"init_lora_weights": "svd"}
use_dora|{"use_dora": True}
some_future_switch|{"some_future_switch": "on"}
alpha_pattern.*q_proj|{"alpha_pattern": {"q_proj": -3}}
rank_pattern|{"rank_pattern": [1]}
lora_alpha|{"lora_alpha": 1e308}
key "r"|{"r": 0}
rank_pattern|{"rank_pattern": {"("*50000 + ")"*50000: 8}}
rank_pattern.*too many steps|{"rank_pattern": {"([a-z._0-9]*)*([a-z._0-9]*)*[xX]Z|([a-z_.0-9]+)+[AB]": 8}}
TABLE
  copy eva "$adapter" adapter_config.json '{"init_lora_weights": "eva", "layers_to_transform": [0], "peft_version": "0.21.2"}'
  forward "$model" "$scratch/eva"
}

adapter_tensors() {
  local name=base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight file=adapter_model.safetensors
  copy bool "$adapter"
  tensors "$scratch/bool" $file "t['$name'] = ('BOOL', t['$name'][1], bytes(t['$name'][1][0] * t['$name'][1][1]))"
  refused 2 "$name holds BOOL" eval --model "$model" --adapter "$scratch/bool" --data "$train"
  copy short "$adapter"
  tensors "$scratch/short" $file 't["x"] = ("F32", (2, 2), bytes(16))'
  refused 2 'tensor x does not start with' export --model "$model" --adapter "$scratch/short" --format peft-full --out "$out"
  copy flat "$adapter"
  tensors "$scratch/flat" $file "t['$name'] = ('F32', (len(t['$name'][2]) // 4,), t['$name'][2])"
  refused 2 "$name .*(rank, in)" check --model "$model" --adapter "$scratch/flat"
  copy nan "$adapter"
  tensors "$scratch/nan" $file "t['$name'] = (*t['$name'][:2], t['$name'][2][:-4] + bytes.fromhex('0000c07f'))"
  for command in "eval --data $train" "merge --out $out" "export --format peft-full --out $out" "check"; do
    # shellcheck disable=SC2086
    refused 3 "$name holds values that are not finite" $command --model "$model" --adapter "$scratch/nan"
  done
}

records() {
  local row=0 wanted keys
  while IFS='|' read -r wanted keys; do
    row=$((row + 1))
    copy "h$row" "$adapter" hellora.json "$keys"
    refused 2 "hellora.json: .*$wanted" eval --model "$model" --adapter "$scratch/h$row" --data "$train"
  done <<'TABLE'
train_on|{"train_on": "nonsense"}
format|{"format": "hellora.adapter/2"}
scale_by|{"scale_by": 2}
method|{"method": "full"}
plan|{"plan": 7}
TABLE
  echo SECRET >"$scratch/secret"
  ln -s "$scratch/secret" "$scratch/h1/link.jinja"
  for name in "$scratch/secret" ../secret link.jinja absent.jinja; do
    copy "t${name##*/}" "$adapter" hellora.json "{'chat_template': '$name', 'data_format': 'messages'}"
    cp -P "$scratch/h1/link.jinja" "$scratch/t${name##*/}/"
    echo hi >"$scratch/hi"
    refused 2 'chat_template .*inside the adapter.s folder' chat --model "$model" --adapter "$scratch/t${name##*/}" --max-new-tokens 1 <"$scratch/hi"
    rm -rf "$scratch/t${name##*/}"
  done
}

bases() {
  refused 2 'made for another base model, olmoe: 2 layers.*this model is olmoe: ' eval --model "$base" --adapter "$adapter" --data "$train"
  copy plain "$adapter" adapter_config.json '{"base_model_name_or_path": "hub/Some-Other"}'
  rm "$scratch/plain/hellora.json"
  for command in "eval --data $train" "generate --prompt x --raw --max-new-tokens 1" "merge --out $out" "export --format peft-full --out $out" "check"; do
    # shellcheck disable=SC2086
    works "a plain adapter: $command" $command --model "$model" --adapter "$scratch/plain"
    warns "a plain adapter: $command" 'nothing proves that .*tiny is its base; base_model_name_or_path is "hub/Some-Other", which is another model.s name'
    rm -rf "$out"
  done
}

fused() {
  need export --quiet --model "$model" --adapter "$adapter" --format peft-fused --out "$scratch/fused"
  need export --quiet --model "$model" --adapter "$adapter" --format peft-full --out "$scratch/full"
  forward "$model" "$adapter"
  cp "$scratch/logits" "$scratch/native_logits"
  for name in fused full; do
    forward "$model" "$scratch/$name"
    check "the $name export gives the native logits" same_numbers "$scratch/native_logits" "$scratch/logits" 1e-5
    each_command "$scratch/$name"
  done
  works "the fused export's export" check --model "$model" --adapter "$scratch/fused" --exported "$scratch/full"
}

runs() {
  each_command "$run"
  refused 2 'no such adapter folder' eval --model "$model" --adapter "$scratch/absent" --data "$train"
  mkdir -p "$scratch/half/checkpoint-000002"
  refused 2 'half: holds no adapter' eval --model "$model" --adapter "$scratch/half" --data "$train"
  cp -r "$adapter" "$scratch/half/checkpoint-000002/adapter"
  refused 2 'its last checkpoint is .*checkpoint-000002' eval --model "$model" --adapter "$scratch/half" --data "$train"
  forward "$model" "$scratch/half/checkpoint-000002"
}

plans_and_profiles() {
  python3 -c 'import json, sys
plan, profile = (json.load(open(sys.argv[1] + name)) for name in ("/plan.json", "/profile.json"))
plan["layers"][0]["ranks"][0] = 1 << 62
json.dump(plan, open(sys.argv[2] + "/plan.json", "w"))
profile["data"]["tokens"] = -5
json.dump(profile, open(sys.argv[2] + "/profile.json", "w"))' "$run" "$scratch"
  refused 2 'plan.json, layer 0: key "rank of expert .*from 1 to 65536' train --quiet recipe=hellora "model=$model" "data.train=$train" \
    "output=$out" "select.plan=$scratch/plan.json"
  refused 2 'profile.json: data: key "tokens" is -5' select --profile "$scratch/profile.json" --policy hot --out "$out"
}

rows 1,9 >"$train"
echo '{"input_ids": [[5, 6, 7, 8, 9, 10]]}' >"$ids"
tiny_model "$model" 1 --fp32
need train --quiet recipe=hellora "model=$model" "data.train=$train" "output=$run" train.max_steps=3 train.lr=0.01 select.mode=base \
  select.policy=hot select.k=3 adapter.rank=2 "adapter.targets=q,o,router,gate,up,down"
configs
model_tensors
adapter_configs
adapter_tensors
records
bases
fused
runs
plans_and_profiles
finish
