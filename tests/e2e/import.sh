#!/usr/bin/env bash
# `hellora import`: models of every family come out of GGUF files as they went in; what is not understood is one line and nothing written.
source tests/e2e/lib.sh
ids=$scratch/ids.json
echo '{"input_ids": [[5, 9, 200, 31, 7, 1900, 3, 44], [2, 2, 1000, 17, 88, 6, 250, 12]]}' >"$ids"

gguf() { python3 "$here/lib_gguf.py" "$@"; }  # model, file, change

# The same tensors, the same logits, and the same ids of texts.
comes_back() {  # name, model, further options of lib_gguf.py
  local name=$1 model=$2 file=$scratch/$1.gguf folder=$scratch/$1.back
  shift 2
  check "$name as GGUF" gguf "$model" "$file" "$@"
  works "$name: import" import --quiet "$file" --out "$folder"
  check "$name: the same tensors" python3 "$here/lib_tensors.py" "$model" "$folder"
  need forward --quiet --model "$model" --ids "$ids" --out "$scratch/before"
  works "$name: forward" forward --quiet --model "$folder" --ids "$ids" --out "$scratch/after"
  check "$name: the same logits" cmp "$scratch/before" "$scratch/after"
}

# --- every family ---------------------------------------------------------------------------------------------------------

tokens() { "$hellora" tokenize --model "$1" --special <data/gsm8k/test.jsonl; }

comes_back tiny-olmoe "$base"
check "tiny-olmoe: the same ids of texts" cmp <(tokens "$base") <(tokens "$scratch/tiny-olmoe.back")
comes_back version-2 "$base" 'g.version = 2; g.alignment = 128; g.set("general.alignment", U32, 128)'
for preset in mixtral-8x7b deepseek-moe-16b deepseek-v2-lite qwen1.5-moe-a2.7b qwen3-30b-a3b llama-2-7b llama-3-8b; do
  need init --quiet --arch $preset --tiny --seed 5 --deviation 0.1 --out "$scratch/$preset"
  cp "$base/tokenizer.json" "$base/tokenizer_config.json" "$scratch/$preset/"
  comes_back $preset "$scratch/$preset"
done
# A head that is tied is not stored; Llama 3.1's rope lies in a tensor; biases are permuted like their weights.
config() {  # folder, further keys as a Python dict
  mkdir "$1"
  python3 -c 'import json, sys
config = json.load(open(sys.argv[1]))
config.update(eval(sys.argv[3]))
json.dump(config, open(sys.argv[2], "w"))' "$scratch/llama-3-8b/config.json" "$1/config.json" "$2"
}
config "$scratch/odd" '{"tie_word_embeddings": True, "attention_bias": True, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
  "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}, "rope_theta": 5e5}'
need init --quiet --config "$scratch/odd/config.json" --seed 6 --deviation 0.1 --out "$scratch/odd"
cp "$base/tokenizer.json" "$base/tokenizer_config.json" "$scratch/odd/"
llama31='for key in ("type", "factor", "original_context_length"): del g.keys["llama.rope.scaling." + key]
import math
factors = []
for j in range(8):
    turns = 8192 / (2 * math.pi * 5e5 ** (j / 8))
    blend = min(1, max(0, (turns - 1) / 3))
    factors.append(1 / ((1 - blend) / 8 + blend))
g.tensors["rope_freqs.weight"] = ([8], 0, struct.pack("<8f", *factors))'
comes_back odd "$scratch/odd" "$llama31"
# Files of another age: each expert by itself; kv_b as two tensors.
comes_back experts-apart "$scratch/mixtral-8x7b" '
for name in [name for name in g.tensors if "_exps" in name]:
    (count, *sizes), kind, data = g.tensors.pop(name)
    for e in range(count):
        g.tensors[name.replace("_exps", f".{e}")] = (sizes, kind, data[e * len(data) // count : (e + 1) * len(data) // count])'
comes_back absorbed "$scratch/deepseek-v2-lite" '
c = g.config
heads, nope, value, rank = (c[k] for k in ("num_attention_heads", "qk_nope_head_dim", "v_head_dim", "kv_lora_rank"))
for key, new in (("key_length", nope + c["qk_rope_head_dim"]), ("value_length", value)):
    g.set(f"deepseek2.attention.{key}_mla", U32, new)
    g.set(f"deepseek2.attention.{key}", U32, rank)
g.set("deepseek2.attention.head_count_kv", U32, 1)
for name in [name for name in g.tensors if "attn_kv_b" in name]:
    _, kind, data = g.tensors.pop(name)
    at = lambda h, row, i: data[2 * ((h * (nope + value) + row) * rank + i) :][:2]
    keys = b"".join(at(h, row, i) for h in range(heads) for i in range(rank) for row in range(nope))
    values = b"".join(at(h, nope + row, i) for h in range(heads) for row in range(value) for i in range(rank))
    g.tensors[name.replace("kv_b", "k_b")] = ([heads, rank, nope], kind, keys)
    g.tensors[name.replace("kv_b", "v_b")] = ([heads, value, rank], kind, values)'

# --- what is written ------------------------------------------------------------------------------------------------------

keys() {  # file, Python over the object called f
  python3 -c 'import json, sys
f = json.load(open(sys.argv[1]))
assert eval(sys.argv[2]), f' "$1" "$2"
}
made=$scratch/made
check "a template, an end of turn" gguf "$base" "$made.gguf" 'g.set("tokenizer.chat_template", STRING, "{{ messages[0][\"content\"] }}")
g.set("tokenizer.ggml.eot_token_id", U32, 7)'
works "import --dtype fp32 --json" import --quiet --json "$made.gguf" --out "$made" --dtype fp32
check "--json says what was made" keys "$scratch/out" 'f["model_type"] == "olmoe" and f["parameters"] == 3164288 and f["tensors"] == 423'
check "config.json" keys "$made/config.json" \
  'f["torch_dtype"] == "float32" and f["eos_token_id"] == [0, 7] and f["pad_token_id"] == 1 and f["rms_norm_eps"] == 1e-05'
check "generation_config.json" keys "$made/generation_config.json" 'f == {"eos_token_id": [0, 7], "pad_token_id": 1}'
check "tokenizer_config.json" keys "$made/tokenizer_config.json" 'f["chat_template"].startswith("{{ m") and f["model_max_length"] == 512'
check "special_tokens_map.json" keys "$made/special_tokens_map.json" 'f == {"eos_token": "<|endoftext|>", "pad_token": "<|padding|>"}'
works "the template is used" generate --quiet --model "$made" --prompt "Hello" --max-new-tokens 2
check "fp32 holds the same values" python3 -c 'import sys
from lib_tensors import read
one, two = read(sys.argv[1]), read(sys.argv[2])
assert one.keys() == two.keys()
for name, (kind, shape, data) in one.items():
    wide = b"".join(b"\0\0" + data[i : i + 2] for i in range(0, len(data), 2))
    assert two[name] == ("F32", shape, wide), name' "$base" "$made"

# --- what is refused ------------------------------------------------------------------------------------------------------

refused() {  # name, what the line must say, change
  local name=$1 wanted=$2 file=$scratch/refused.gguf
  place=$name
  gguf "${model:-$base}" "$file" "$3" || { fail "$name: cannot make the file"; return; }
  call import "$file" --out "$scratch/refused"
  check "$name: exit code 2" test $? -eq "${code:-2}"
  check "$name: one line that names the file" test "$(grep -c "^error: $file" "$scratch/err")$(grep -c . "$scratch/err")" = 11
  check "$name: says \"$wanted\"" grep -qF -- "$wanted" "$scratch/err"
  check "$name: nothing is left" test -z "$(find "$scratch" -maxdepth 1 -name '*refused*' ! -name refused.gguf)"
}
no_line='del g.keys["olmoe.block_count"]'
refused "cut off" 'it is cut off or damaged' 'g.cut = 5000000'
refused "another format" 'expected one that begins with "GGUF"' 'g.magic = b"ggjt"'
refused "version 1" 'GGUF version 1 is not read; expected version 2 or 3, little endian' 'g.version = 1'
refused "big endian" 'GGUF version 3, big endian, is not read' 'g.version = 0x03000000'
refused "an unknown family" '"gemma3" is not supported; expected one of llama, qwen2moe' 'g.set("general.architecture", STRING, "gemma3")'
refused "no family" 'key "general.architecture" is missing' 'del g.keys["general.architecture"]'
refused "an adapter" 'is no model; expected "model"' 'g.set("general.type", STRING, "adapter")'
refused "a part" 'one part of several; join them first' 'g.set("split.count", U32, 3)'
refused "a key is missing" 'key "olmoe.block_count" is missing' "$no_line"
refused "a key of another type" 'key "olmoe.block_count" must be an integer' 'g.set("olmoe.block_count", STRING, "4")'
refused "a key out of range" 'found 4000000000' 'g.set("olmoe.block_count", U32, 4000000000)'
refused "an unknown key" 'key "olmoe.attention.softcap" is not known for this architecture' 'g.set("olmoe.attention.softcap", F32, 30.0)'
refused "partial rope" 'partial rope is not supported; expected 32' 'g.set("olmoe.rope.dimension_count", U32, 16)'
refused "another rope" '"longrope" is not supported; expected none, linear or yarn' 'g.set("olmoe.rope.scaling.type", STRING, "longrope")'
refused "factors of rope" 'holds factors that are neither 1 nor those of Llama 3.1' 'g.tensors["rope_freqs.weight"] = ([16], 0, struct.pack("<16f", *range(1, 17)))'
refused "sigmoid gating" 'must be 1 (softmax)' 'g.set("olmoe.expert_gating_func", U32, 2)'
refused "a kv head too many" 'must be a multiple of num_key_value_heads' 'g.set("olmoe.attention.head_count_kv", U32, 3)'
refused "a type that is not read" 'type IQ4_XS is not read; expected one of F32' 'n = "output.weight"; s, _, d = g.tensors[n]; g.tensors[n] = (s, 23, d)'
refused "a tensor is missing" 'tensor "blk.2.attn_q.weight" is missing' 'del g.tensors["blk.2.attn_q.weight"]'
refused "a tensor too many" 'tensor "blk.9.attn_q.weight" has no place in a olmoe model' 'g.tensors["blk.9.attn_q.weight"] = g.tensors["blk.2.attn_q.weight"]'
refused "sizes that do not fit" 'has sizes (64, 256), the metadata ask for (128, 128)' 'n = "blk.0.attn_q.weight"; _, k, d = g.tensors[n]; g.tensors[n] = ([64, 256], k, d)'
refused "an unknown pre-tokenizer" 'pre-tokenizer "default" is not known; expected one of gpt-2, olmo, smollm' 'g.set("tokenizer.ggml.pre", STRING, "default")'
refused "another tokenizer" '"t5" is not supported; expected "gpt2" or "llama"' 'g.set("tokenizer.ggml.model", STRING, "t5")'
refused "no tokenizer" 'key "tokenizer.ggml.tokens" is missing' 'del g.keys["tokenizer.ggml.tokens"]'
refused "a merge of unknown tokens" 'merge 0 names' 'g.set("tokenizer.ggml.merges", ARRAY, (STRING, ["e nonsense"]))'
refused "more tokens than rows" 'more than the 2048 rows' 'k, (i, t) = g.keys["tokenizer.ggml.tokens"]; g.set("tokenizer.ggml.tokens", k, (i, t + ["[PAD]"])); k, (i, t) = g.keys["tokenizer.ggml.token_type"]; g.set("tokenizer.ggml.token_type", k, (i, t + [1]))'
refused "a text that is no UTF-8" 'must be valid UTF-8' 'g.set("general.architecture", STRING, b"\xff")'
refused "text for a terminal" '"\x1B[2J" is not supported' 'g.set("general.architecture", STRING, "\x1b[2J")'
code=3 refused "a value that is not finite" 'a value is not finite' 'n = "output.weight"; s, k, d = g.tensors[n]; g.tensors[n] = (s, k, d[:2000] + b"\xff\x7f" + d[2002:])'

# Every place where a file can be cut, by powers of two and around its parts; no count or length makes it read beyond.
check "a whole file" gguf "$base" "$scratch/whole.gguf"
cuts=0
for size in 0 3 4 11 24 25 63 64 100 1000 5000 20000 60000 65536 100000 1000000 6000000; do
  head -c $size "$scratch/whole.gguf" >"$scratch/cut.gguf"
  call import "$scratch/cut.gguf" --out "$scratch/refused"
  [ $? -eq 2 ] && [ ! -e "$scratch/refused" ] && cuts=$((cuts + 1))
done
check "every cut is refused" test $cuts -eq 17
call import "$scratch/whole.gguf" --out "$made"
check "a folder that is there: exit code 2" test $? -eq 2
check "and it says so" grep -q 'exists already; choose a new folder' "$scratch/err"
call import "$scratch" --out "$scratch/refused"
check "a folder as the file: exit code 2" test $? -eq 2
finish
