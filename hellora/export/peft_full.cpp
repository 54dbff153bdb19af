// PEFT with one module per expert, every expert present: cold ones as zero pairs, one rank and one alpha for all.
#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/log.h"
#include "hellora/export/peft_file.h"
#include "hellora/model/slots.h"

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

void write_peft_full(const Path& folder, const AdapterSet& adapters, const ExportSettings& settings, const ModelShape& shape) {
  const Modules modules = modules_by_path(adapters);
  const UniformPairs uniform = uniform_pairs(modules);
  const std::vector<AdaptedSlot> slots = with_whole_experts(adapted_slots(adapters), shape);
  std::vector<PendingTensor> tensors;
  for (const AdaptedSlot& one : slots) {
    const char* infix = one.slot == Slot::embed ? ".lora_embedding_" : ".lora_";
    const char* suffix = one.slot == Slot::embed ? "" : ".weight";
    for (const std::string& path : slot_paths(shape, one.slot)) {
      const auto pair = [&uniform, path, in = one.in, out = one.out] { return uniform.pair(path, in, out); };
      tensors.push_back({path + infix + "A" + suffix, {uniform.rank, one.in}, [pair] { return pair().first; }});
      tensors.push_back({path + infix + "B" + suffix, {one.out, uniform.rank}, [pair] { return pair().second; }});
    }
  }
  const std::string_view note = find_arch(shape.arch, "export").peft_full_note;
  if (!note.empty()) log_warn("peft-full: " + std::string(note));
  make_folder(folder);
  write_factors(folder, std::move(tensors), settings.dtype);
  AdapterConfig config = adapters.config();
  config.rank = uniform.rank;
  config.alpha = uniform.alpha;
  config.method = "lora";
  config.dropout = 0;  // PEFT on transformers 5 refuses fused experts with dropout
  write_text_atomic(folder / "adapter_config.json", dump_json(peft_config(config, settings.base, target_modules(shape, slots)), 2) + "\n");
}

void read_peft_full(const Path& folder, const ModelShape& shape, const VisitChange& visit) {
  PeftFile file(folder);
  if (!file.parameters().empty()) throw FormatError(file.where() + ": target_parameters have no place in peft-full");
  int64_t experts = 0;
  for (const SlotPath& row : find_arch(shape.arch, "export").paths) {
    if (is_vector_slot(row.slot) || !(has_slot(shape, row.slot) || row.slot == Slot::lm_head)) continue;
    const auto [in, out] = slot_sizes(shape, row.slot);
    for (const std::string& path : slot_paths(shape, row.slot)) {
      const PairPlace place{path, path, in, out, 1, row.slot == Slot::embed};
      if (!file.contains(place)) continue;
      experts += is_expert_slot(row.slot) ? 1 : 0;
      file.require_target(path);
      visit(path, file.pair(place));
    }
  }
  file.refuse_rest();
  // Loaders that stack experts need all of them.
  if (experts > 0 && experts % (static_cast<int64_t>(routed_layers(shape).size()) * shape.experts) != 0) {
    throw FormatError(folder.string() + ": " + std::to_string(experts) + " expert modules; every expert of every layer is needed");
  }
}

}  // namespace hellora
