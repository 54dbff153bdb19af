// PEFT's target_parameters layout on fused experts (PEFT 0.19 and later, transformers 5). E experts, R rank:
// lora_A (R·E, in) has row e·R + j for expert e and rank j; lora_B (out, R·E) has column j·E + e. Gate and up share one
// parameter (2F, D), so their pair has rank 2R: A stacked, B block-diagonal.
#include <map>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/core/text.h"
#include "hellora/export/peft_file.h"
#include "hellora/model/fused_layout.h"
#include "hellora/model/slots.h"

namespace hellora {
namespace {

struct Writer {
  const ModelShape& shape;
  const Arch& arch;
  const UniformPairs& uniform;
  std::vector<PendingTensor> tensors;

  using MakePair = std::function<std::pair<Tensor, Tensor>()>;

  void add(const std::string& path, int64_t rank, int64_t in, int64_t out, const MakePair& make) {
    tensors.push_back({path + ".lora_A.weight", {rank, in}, [make] { return make().first; }});
    tensors.push_back({path + ".lora_B.weight", {out, rank}, [make] { return make().second; }});
  }

  void add_gate_up(int64_t layer, const std::string& path) {
    add(path, 2 * uniform.rank * shape.experts, shape.hidden, 2 * shape.expert_width, [this, layer] {
      std::vector<Tensor> a_parts, b_parts;
      for (int64_t e = 0; e < shape.experts; ++e) {
        const auto [a_gate, b_gate] = uniform.pair(module_path(arch, Slot::gate, layer, e), shape.hidden, shape.expert_width);
        const auto [a_up, b_up] = uniform.pair(module_path(arch, Slot::up, layer, e), shape.hidden, shape.expert_width);
        a_parts.push_back(at::cat({a_gate, a_up}));
        b_parts.push_back(at::block_diag({b_gate, b_up}));
      }
      return file_order({at::stack(a_parts), at::stack(b_parts)});
    });
  }

  void add_down(int64_t layer, const std::string& path) {
    add(path, uniform.rank * shape.experts, shape.expert_width, shape.hidden, [this, layer] {
      std::vector<Tensor> a_parts, b_parts;
      for (int64_t e = 0; e < shape.experts; ++e) {
        const auto [a_one, b_one] = uniform.pair(module_path(arch, Slot::down, layer, e), shape.expert_width, shape.hidden);
        a_parts.push_back(a_one);
        b_parts.push_back(b_one);
      }
      return file_order({at::stack(a_parts), at::stack(b_parts)});
    });
  }
};

std::string fused_path(const Arch& arch, Slot slot, int64_t layer) {
  return slot == Slot::router ? fused_router_path(arch, layer) : module_path(arch, slot, layer);
}

/// ".3."
std::string layer_part(int64_t layer) { return std::string(".").append(std::to_string(layer)).append("."); }

int64_t first_layer(const ModelShape& shape, Slot slot) {
  int64_t layer = 0;
  while (!has_slot(shape, slot, layer)) ++layer;
  return layer;
}

/// Weights that go as target_parameters: the router, which is no linear module there; and dense and shared MLPs beside experts,
/// since PEFT takes every target module named gate_proj, up_proj or down_proj of such a model for an expert's and drops it.
bool is_parameter(Slot slot, const ModelShape& shape) {
  if (slot == Slot::router) return true;
  return shape.experts > 0 && (target_of(slot) == "dense" || target_of(slot) == "shared");
}

/// Experts are no modules of their own in this layout: their names do not stand in the way of short ones.
std::vector<std::string> fused_modules(const ModelShape& shape, std::vector<AdaptedSlot> slots) {
  const size_t own = slots.size();
  for (const Slot slot : {Slot::gate, Slot::up, Slot::down}) {
    if (has_slot(shape, slot)) slots.push_back({slot});
  }
  std::vector<std::string> names = target_modules(shape, slots), without;
  slots.resize(own);
  std::set<std::string> wanted;
  for (const AdaptedSlot& one : slots) {
    for (const std::string& path : slot_paths(shape, one.slot)) wanted.insert({path, last_part(path)});
  }
  for (const std::string& name : names) {
    if (wanted.contains(name)) without.push_back(name);
  }
  return without;
}

Json fused_config(const AdapterSet& adapters, const ExportSettings& settings, const ModelShape& shape, const UniformPairs& uniform,
                  const std::vector<AdaptedSlot>& slots) {
  const Arch& arch = find_arch(shape.arch, "export");
  AdapterConfig config = adapters.config();
  config.rank = uniform.rank;
  config.alpha = uniform.alpha;
  config.method = "lora";
  config.dropout = 0;  // target_parameters knows no dropout
  std::vector<AdaptedSlot> modules;
  std::vector<std::string> parameters;
  for (const AdaptedSlot& one : slots) {
    if (is_parameter(one.slot, shape)) {
      const int64_t layer = first_layer(shape, one.slot);
      const std::string path = fused_path(arch, one.slot, layer), number = layer_part(layer);
      parameters.push_back(path.substr(path.find(number) + number.size()) + ".weight");
    } else if (!is_expert_slot(one.slot)) {
      modules.push_back(one);
    }
  }
  const bool gate_up = adapted(slots, Slot::gate) || adapted(slots, Slot::up);
  if (gate_up) parameters.push_back(fused_parameter(arch.fused_gate_up));
  if (adapted(slots, Slot::down)) parameters.push_back(fused_parameter(arch.fused_down));
  Json json = peft_config(config, settings.base, fused_modules(shape, modules));
  json["target_parameters"] = parameters;
  if (gate_up) {
    const std::string pattern = ".*\\." + last_part(arch.fused_gate_up);
    json["rank_pattern"] = {{pattern, 2 * uniform.rank}};
    json["alpha_pattern"] = {{pattern, 2 * uniform.alpha}};
  }
  return json;
}

}  // namespace

void write_peft_fused(const Path& folder, const AdapterSet& adapters, const ExportSettings& settings, const ModelShape& shape) {
  const Modules modules = modules_by_path(adapters);
  const UniformPairs uniform = uniform_pairs(modules);
  const std::vector<AdaptedSlot> slots = adapted_slots(adapters);
  const Arch& arch = find_arch(shape.arch, "export");
  Writer writer{shape, arch, uniform, {}};
  const bool gate_up = adapted(slots, Slot::gate) || adapted(slots, Slot::up), down = adapted(slots, Slot::down);
  if ((gate_up || down) && arch.fused_gate_up.empty()) {
    throw ConfigError("peft-fused: " + shape.arch + " models have no layout with fused experts; use peft-full or merge");
  }
  for (const AdaptedSlot& one : slots) {
    if (is_expert_slot(one.slot)) continue;
    if (one.slot == Slot::embed) throw ConfigError("peft-fused: an adapter on embed has no place in this format; use peft-full or merge");
    const bool outside = one.slot == Slot::lm_head;
    for (int64_t layer = outside ? -1 : 0; layer < (outside ? 0 : shape.layers); ++layer) {
      if (!outside && !has_slot(shape, one.slot, layer)) continue;
      const std::string path = module_path(arch, one.slot, layer);
      writer.add(fused_path(arch, one.slot, layer), uniform.rank, one.in, one.out,
                 [&uniform, path, in = one.in, out = one.out] { return uniform.pair(path, in, out); });
    }
  }
  for (const int64_t layer : routed_layers(shape)) {
    const FusedKeys keys = fused_keys(arch, layer, gate_up && down);
    if (gate_up) writer.add_gate_up(layer, keys.gate_up);
    if (down) writer.add_down(layer, keys.down);
  }
  make_folder(folder);
  write_factors(folder, std::move(writer.tensors), settings.dtype);
  write_text_atomic(folder / "adapter_config.json", dump_json(fused_config(adapters, settings, shape, uniform, slots), 2) + "\n");
}

namespace {

/// The factors of expert e in a pair that holds all experts': rows e·R + j of A, columns j·E + e of B.
FileChange expert_change(const FileChange& all, int64_t e, int64_t experts) {
  const int64_t rank = all.a_RI.size(0) / experts;
  FileChange one = all;
  one.a_RI = all.a_RI.narrow(0, e * rank, rank);
  one.b_OR = all.b_OR.view({all.b_OR.size(0), rank, experts}).select(2, e);
  return one;
}

FileChange rows_of(FileChange change, int64_t first, int64_t count) {
  change.b_OR = change.b_OR.narrow(0, first, count);
  return change;
}

/// Modules and parameters that every token passes.
void read_modules(PeftFile& file, const ModelShape& shape, const VisitChange& visit) {
  const Arch& arch = find_arch(shape.arch, "export");
  for (const SlotPath& row : arch.paths) {
    if (is_vector_slot(row.slot) || is_expert_slot(row.slot) || row.slot == Slot::embed) continue;
    const bool outside = is_model_slot(row.slot);
    const auto [in, out] = slot_sizes(shape, row.slot);
    for (int64_t layer = outside ? -1 : 0; layer < (outside ? 0 : shape.layers); ++layer) {
      if (!outside && !has_slot(shape, row.slot, layer)) continue;
      const std::string path = fused_path(arch, row.slot, layer);
      const PairPlace place{path, path, in, out};
      if (!file.contains(place)) continue;
      if (is_parameter(row.slot, shape)) {
        file.require_parameter(path + ".weight");
      } else {
        file.require_target(path);
      }
      visit(module_path(arch, row.slot, layer), file.pair(place));
    }
  }
}

void read_experts(PeftFile& file, const ModelShape& shape, int64_t layer, const VisitChange& visit) {
  const Arch& arch = find_arch(shape.arch, "export");
  // The config says which parameter a key belongs to; shapes alone may not (a square gate_up).
  const bool gate_up = file.has_parameter(fill_pattern(arch.fused_gate_up, layer, -1));
  const bool down = file.has_parameter(fill_pattern(arch.fused_down, layer, -1));
  const FusedKeys keys = fused_keys(arch, layer, gate_up && down);
  const int64_t experts = shape.experts, width = shape.expert_width;
  if (gate_up) {
    const FileChange all = file.pair({keys.gate_up, fill_pattern(arch.fused_gate_up, layer, -1), shape.hidden, 2 * width, experts});
    for (int64_t e = 0; e < experts; ++e) {
      const FileChange one = expert_change(all, e, experts);
      visit(module_path(arch, Slot::gate, layer, e), rows_of(one, 0, width));
      visit(module_path(arch, Slot::up, layer, e), rows_of(one, width, width));
    }
  }
  if (!down) return;
  const FileChange all = file.pair({keys.down, fill_pattern(arch.fused_down, layer, -1), width, shape.hidden, experts});
  for (int64_t e = 0; e < experts; ++e) visit(module_path(arch, Slot::down, layer, e), expert_change(all, e, experts));
}

}  // namespace

void read_peft_fused(const Path& folder, const ModelShape& shape, const VisitChange& visit) {
  PeftFile file(folder);
  read_modules(file, shape, visit);
  if (!find_arch(shape.arch, "export").fused_gate_up.empty()) {
    for (const int64_t layer : routed_layers(shape)) read_experts(file, shape, layer, visit);
  }
  file.refuse_rest();
}

}  // namespace hellora
