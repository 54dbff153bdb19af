#!/usr/bin/env bash
# Memory of merge, export and check on a model of 1.2 GB: below the largest tensor + the adapter + 200 MiB, libtorch included, by
# what the kernel says was resident, and under a limit of the system of that size for everything but maps of files.
source tests/e2e/lib.sh
export OMP_NUM_THREADS=1
model=$scratch/model
adapter=$scratch/adapter
room=$(df --output=avail -k "$scratch" | tail -n 1)
if [ "$room" -lt $((4 << 20)) ]; then
  echo "skipped: needs 4 GiB below $(dirname "$scratch"), $((room >> 10)) MiB are free"
  exit 0
fi

# An adapter on the head (one of the two largest tensors), attention and some experts; its base is named by hash.
cat >"$scratch/make_adapter.py" <<'PY'
import array, json, os, random, sys
from lib_tensors import write
folder, rank = sys.argv[1], 4
os.makedirs(folder)
random.seed(1)
sizes = {"lm_head": (50304, 2048), "model.layers.0.self_attn.q_proj": (2048, 2048), "model.layers.0.mlp.gate": (64, 2048)}
for e in (3, 17, 40):
    path = f"model.layers.0.mlp.experts.{e}."
    sizes |= {path + "gate_proj": (1024, 2048), path + "up_proj": (1024, 2048), path + "down_proj": (2048, 1024)}
tensors = {}
for path, (out, width) in sizes.items():
    for factor, shape in (("A", (rank, width)), ("B", (out, rank))):
        values = array.array("f", (random.gauss(0, 0.05) for _ in range(shape[0] * shape[1])))
        tensors[f"base_model.model.{path}.lora_{factor}.weight"] = ("F32", shape, values.tobytes())
write(folder + "/adapter_model.safetensors", tensors)
config = {"peft_type": "LORA", "r": rank, "lora_alpha": 8, "target_modules": sorted(sizes), "base_model_name_or_path": ""}
json.dump(config, open(folder + "/adapter_config.json", "w"))
json.dump({"format": "hellora.adapter/1", "plan": {"format": "hellora.plan/1", "policy": "given", "layers": []}, "model_hash": sys.argv[2]},
          open(folder + "/hellora.json", "w"))
PY

# Runs the program under the limit and prints what was resident at most.
cat >"$scratch/limited.py" <<'PY'
import glob, json, os, resource, struct, subprocess, sys
model, adapter, command = sys.argv[1], sys.argv[2], sys.argv[3:]
largest = 0
for file in glob.glob(model + "/*.safetensors"):
    with open(file, "rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    largest = max([largest] + [t["data_offsets"][1] - t["data_offsets"][0] for name, t in header.items() if name != "__metadata__"])
limit = largest + os.path.getsize(adapter + "/adapter_model.safetensors") + (200 << 20)
done = subprocess.run(command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)))
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
print(f"resident at most {peak >> 20} MiB, allowed {limit >> 20} MiB")
sys.exit(done.returncode or peak >= limit)
PY

streams() {  # name, arguments
  local name=$1 seen
  shift
  if seen=$(python3 "$scratch/limited.py" "$model" "$adapter" "$hellora" "$@" 2>&1); then pass; else fail "$name" "$seen"; fi
  echo "$name: $(tail -n 1 <<<"$seen")"
}

need init --quiet --arch olmoe-1b-7b --layers 1 --out "$model"
python3 "$scratch/make_adapter.py" "$adapter" 0123456789abcdef || fail "cannot make an adapter"
call check --model "$model" --adapter "$adapter"
check "an adapter of another base is refused" test $? -eq 2
hash=$(grep -o 'this one is [0-9a-f]*' "$scratch/err" | cut -d ' ' -f 4)
sed -i "s/0123456789abcdef/$hash/" "$adapter/hellora.json"
with=(--quiet --model "$model" --adapter "$adapter")
streams "check" check "${with[@]}"
streams "export peft-full" export "${with[@]}" --format peft-full --out "$scratch/full"
streams "export peft-fused" export "${with[@]}" --format peft-fused --dtype bf16 --out "$scratch/fused"
streams "check --exported" check "${with[@]}" --exported "$scratch/full"
streams "merge" merge "${with[@]}" --out "$scratch/merged"
streams "check --merged" check "${with[@]}" --merged "$scratch/merged"
finish
