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
