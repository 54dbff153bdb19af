// PEFT with one module per expert, every expert present: cold ones as zero pairs, one rank and one alpha for all.
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/log.h"
#include "hellora/export/formats.h"
#include "hellora/model/peft_config.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

/// Gate and up come with all three projections: PEFT on transformers 5 drops both where down is not adapted too, and refuses
/// one without the other.
std::vector<AdaptedSlot> with_whole_experts(std::vector<AdaptedSlot> slots, const ModelShape& shape) {
  if (!adapted(slots, Slot::gate) && !adapted(slots, Slot::up)) return slots;
  for (const Slot slot : {Slot::gate, Slot::up}) {
    if (!adapted(slots, slot)) slots.push_back({slot, shape.hidden, shape.expert_width});
  }
  if (!adapted(slots, Slot::down)) slots.push_back({Slot::down, shape.expert_width, shape.hidden});
  return slots;
}

}  // namespace

void write_peft_full(const Path& folder, const AdapterSet& adapters, const AdapterOrigin& origin, const ModelShape& shape) {
  const Modules modules = modules_by_path(adapters);
  const UniformPairs uniform = uniform_pairs(modules);
  const std::vector<AdaptedSlot> slots = with_whole_experts(adapted_slots(adapters), shape);
  std::vector<Tensor> keep;
  std::vector<TensorBytes> bytes;
  const auto add = [&](const std::string& key, const Tensor& value) {
    keep.push_back(value.contiguous());
    bytes.push_back(tensor_bytes(kPeftPrefix + key, keep.back()));
  };
  for (const AdaptedSlot& one : slots) {
    const char* infix = one.slot == Slot::embed ? ".lora_embedding_" : ".lora_";
    const char* suffix = one.slot == Slot::embed ? "" : ".weight";
    for (const std::string& path : slot_paths(shape, one.slot)) {
      const auto [a_RI, b_OR] = uniform.pair(path, one.in, one.out);
      add(path + infix + "A" + suffix, a_RI);
      add(path + infix + "B" + suffix, b_OR);
    }
  }
  const std::string_view note = find_arch(shape.arch, "export").peft_full_note;
  if (!note.empty()) log_warn("peft-full: " + std::string(note));
  make_folder(folder);
  write_safetensors(folder / "adapter_model.safetensors", std::move(bytes), {{"format", "pt"}});
  AdapterConfig config = adapters.config();
  config.rank = uniform.rank;
  config.alpha = uniform.alpha;
  config.rslora = false;
  config.dropout = 0;  // PEFT on transformers 5 refuses fused experts with dropout
  write_text_atomic(folder / "adapter_config.json", peft_config(config, origin.base_path, target_modules(shape, slots)).dump(2) + "\n");
}

void read_peft_full(const Path& folder, const ModelShape& shape, const std::function<void(const std::string&, const Tensor&)>& visit) {
  const std::string where = (folder / "adapter_config.json").string();
  const PeftConfig config = parse_peft_config(parse_json(read_text(folder / "adapter_config.json"), where), where);
  const SafetensorsFile file(folder / "adapter_model.safetensors");
  const double scale =
      config.rslora ? config.alpha / std::sqrt(static_cast<double>(config.rank)) : config.alpha / static_cast<double>(config.rank);
  std::set<std::string> experts;
  for (const TensorInfo& a : file.tensors()) {
    const size_t cut = a.name.rfind(".lora_");
    if (cut == std::string::npos || a.name.find("_A", cut) == std::string::npos) continue;
    std::string b_name = a.name;
    b_name[a.name.find("_A", cut) + 1] = 'B';
    const TensorInfo* b = file.find(b_name);
    if (b == nullptr) throw FormatError(file.path().string() + ": tensor " + b_name + " is missing");
    const Tensor change = at::matmul(read_tensor(*b, file.bytes(*b), at::kDouble), read_tensor(a, file.bytes(a), at::kDouble)) * scale;
    const std::string path = a.name.substr(std::string_view(kPeftPrefix).size(), cut - std::string_view(kPeftPrefix).size());
    if (path.find(".experts.") != std::string::npos) experts.insert(path);
    visit(path, a.name.find("embedding", cut) != std::string::npos ? change.t() : change);
  }
  // Loaders that stack experts need all of them.
  if (!experts.empty() && static_cast<int64_t>(experts.size()) % (static_cast<int64_t>(routed_layers(shape).size()) * shape.experts) != 0) {
    throw FormatError(file.path().string() + ": " + std::to_string(experts.size()) +
                      " expert modules; every expert of every layer is needed");
  }
}

}  // namespace hellora
