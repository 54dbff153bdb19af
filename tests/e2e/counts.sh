#!/usr/bin/env bash
# The parameter counts of the published OLMoE-1B-7B, as its paper and the HELLoRA paper imply them, and the counts of a
# model that lies on disk against its own tensors.
source tests/e2e/lib.sh

# JSON fields of `count` with these options, rounded to five digits after the point.
counted() {
  "$hellora" count --json --method lora "$@" |
    python3 -c 'import json, sys
row = json.load(sys.stdin)
print(*(f"{row[key]:.5f}" if isinstance(row[key], float) else row[key] for key in
        ("base", "trainable_all_experts", "trainable", "ratio_raw", "ratio_of_percentages")))'
}

expect_counts() {  # wanted, options of count
  local wanted=$1 seen
  shift
  seen=$(counted "$@")
  if [ "$seen" = "$wanted" ]; then pass; else fail "count $*" "expected $wanted" "got      $seen"; fi
}

expect_line() {  # text that the table for people holds, options of count
  local wanted=$1
  shift
  call count --method lora "$@"
  check "count $* prints $wanted" grep -qF "$wanted" "$scratch/out"
}

olmoe="--arch olmoe-1b-7b --rank"
base_count=6919161856
# shellcheck disable=SC2086
{
  expect_counts "$base_count 311459840 311459840 1.00000 1.00000" $olmoe 32 --k all
  expect_counts "$base_count 311459840 47218688 0.15160 0.15735" $olmoe 32
  expect_counts "$base_count 311459840 47218688 0.15160 0.15735" $olmoe 32 --k 8
  expect_counts "$base_count 622919680 94437376 0.15160 0.16303" $olmoe 64 --k 8
  expect_counts "$base_count 311459840 84967424 0.27280 0.28163" $olmoe 32 --k 16
  expect_counts "$base_count 311459840 84967424 0.27280 0.28163" $olmoe 32 --k 25%
  expect_counts "$base_count 311459840 47218688 0.15160 0.15735" $olmoe 32 --k auto
  expect_line "6,919,161,856" $olmoe 32
  expect_line "311,459,840" $olmoe 32
  expect_line "47,218,688" $olmoe 32 --k 8
  expect_line "15.160 %" $olmoe 32 --k 8
  expect_line "15.735 %" $olmoe 32 --k 8
  expect_line "16.303 %" $olmoe 64 --k 8
  expect_line "84,967,424" $olmoe 32 --k 16
}

# Every method by its closed form, written out here: OLMoE's adapted maps as (in, out, how many), rank 32, 8 experts a layer.
counts_of_methods() {
  python3 - "$hellora" <<'CODE'
import json, subprocess, sys
rank, maps = 32, [(2048, 2048, 64), (2048, 64, 16), (2048, 1024, 256), (1024, 2048, 128)]
def total(one): return sum(count * one(i, o) for i, o, count in maps)
def bases(i, o): return -(-min(i, o) // rank)
lora = total(lambda i, o: rank * (i + o))
wanted = {"lora": lora, "rslora": lora, "pissa": lora, "allora": lora, "glad": lora, "hira": lora, "gs_lora": lora, "gs_lora_pp": lora,
          "dora": lora + total(lambda i, o: o), "adalora": lora + total(lambda i, o: rank), "sora": lora + total(lambda i, o: rank),
          "lora_fa": total(lambda i, o: rank * o), "lori": int((1 - 0.9) * total(lambda i, o: rank * o)), "vera": total(lambda i, o: rank + o),
          "lora_xs": total(lambda i, o: rank * rank), "lora_sb": total(lambda i, o: rank * rank), "nola": total(lambda i, o: 2 * 64),
          "randlora": total(lambda i, o: bases(i, o) * (rank + min(i, o))),
          "s2_lora": total(lambda i, o: rank) + sum(rank * (i + o) for i, o, _ in maps)}
def run(*args): return json.loads(subprocess.run([sys.argv[1], *args, "--json"], capture_output=True, text=True, check=True).stdout)
there = {row["method"] for row in run("methods")["rows"] if row["result"] == "adapter"}
assert there == set(wanted), there ^ set(wanted)
assert wanted["lori"] == 2100428
for method, count in wanted.items():
    seen = run("count", "--arch", "olmoe-1b-7b", "--method", method, "--rank", str(rank), "--k", "8")["trainable"]
    assert seen == count, (method, seen, count)
CODE
}
check "every method by its closed form" counts_of_methods

# The embedded model: the base is what its file holds, an adapter is rank times the widths of each adapted matrix.
wanted=$(python3 -c '
import json, math
from lib_tensors import read
shapes = {name: shape for name, (_, shape, _) in read("models/tiny-olmoe/model.safetensors").items()}
base = sum(map(math.prod, shapes.values()))
pairs = {name: 8 * sum(shape) for name, shape in shapes.items() if len(shape) == 2 and "layers" in name}
experts = json.load(open("models/tiny-olmoe/config.json"))["num_experts"]
everything = sum(pairs.values())
inside = sum(count for name, count in pairs.items() if ".experts." in name)
some = everything - inside + inside * 5 // experts
share = lambda n: n / (base + n)
print(base, everything, some, f"{some / everything:.5f}", f"{share(some) / share(everything):.5f}")')
expect_counts "$wanted" --model "$base" --rank 8 --k 5
finish
