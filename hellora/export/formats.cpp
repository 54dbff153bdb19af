#include "hellora/export/formats.h"

#include <array>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/io/safetensors.h"
#include "hellora/model/slots.h"

namespace hellora {

void write_peft_full(const Path& folder, const AdapterSet& adapters, const AdapterOrigin& origin, const ModelShape& shape);
void read_peft_full(const Path& folder, const ModelShape& shape, const std::function<void(const std::string&, const Tensor&)>& visit);
void write_peft_fused(const Path& folder, const AdapterSet& adapters, const AdapterOrigin& origin, const ModelShape& shape);
void read_peft_fused(const Path& folder, const ModelShape& shape, const std::function<void(const std::string&, const Tensor&)>& visit);

namespace {

constexpr auto kFormats = std::to_array<ExportFormat>({
    {"peft-full", "PEFT keys for every expert, cold ones zero: PEFT on any transformers, vLLM, SGLang, llama.cpp", write_peft_full,
     read_peft_full},
    {"peft-fused", "PEFT target_parameters on fused experts: PEFT 0.19 and later on transformers 5", write_peft_fused, read_peft_fused},
});

double size_of(const Tensor& x) { return x.to(at::kDouble).norm().item<double>(); }

}  // namespace

std::span<const ExportFormat> export_formats() { return kFormats; }

const ExportFormat& find_export(const std::string& name) {
  std::vector<std::string> known;
  for (const ExportFormat& format : kFormats) {
    if (format.name == name) return format;
    known.emplace_back(format.name);
  }
  throw ConfigError("--format: unknown format \"" + name + "\"; expected one of " + join(known, ", "));
}

const ExportFormat& detect_export(const Path& folder) {
  const std::string where = (folder / "adapter_config.json").string();
  const Json config = parse_json(read_text(where), where);
  // An adapter without experts has no fused key, but its router is a target parameter.
  if (has(config, "target_parameters") && !config["target_parameters"].empty()) return find_export("peft-fused");
  const SafetensorsFile file(folder / "adapter_model.safetensors");
  for (const TensorInfo& tensor : file.tensors()) {
    if (tensor.name.find(".experts.lora_") != std::string::npos || tensor.name.find(".experts.base_layer.lora_") != std::string::npos) {
      return find_export("peft-fused");
    }
  }
  return find_export("peft-full");
}

ChangeDifference compare_export(const ExportFormat& format, const Path& folder, const AdapterSet& adapters, const ModelShape& shape) {
  const at::NoGradGuard no_grad;
  const Modules modules = modules_by_path(adapters);
  std::set<std::string> seen;
  ChangeDifference difference;
  const auto note = [&](const std::string& path, double relative) {
    if (relative <= difference.largest) return;
    difference.largest = relative;
    difference.where = path;
  };
  format.read(folder, shape, [&](const std::string& path, const Tensor& change) {
    const auto it = modules.find(path);
    if (it == modules.end()) {
      if (size_of(change) > 0) note(path, INFINITY);
      return;
    }
    const LowRank& part = *it->second.adapter->low_rank(it->second.member);
    Tensor own = at::matmul(part.whole_B().to(at::kDouble), part.A_RI.to(at::kDouble)) * part.scale;
    if (it->second.site->slot == Slot::embed) own = own.t();
    if (own.sizes() != change.sizes()) throw FormatError(folder.string() + ": " + path + " has another shape than the adapter's");
    const double size = size_of(own), error = size_of(own - change);
    note(path, size > 0 ? error / size : (error > 0 ? INFINITY : 0));
    seen.insert(path);
  });
  for (const auto& [path, module] : modules) {
    if (!seen.contains(path)) note(path, INFINITY);
  }
  difference.modules = static_cast<int64_t>(seen.size());
  return difference;
}

std::pair<Tensor, Tensor> UniformPairs::pair(const std::string& path, int64_t in, int64_t out) const {
  const Tensor a_RI = at::zeros({rank, in}, at::TensorOptions(at::kFloat)), b_OR = at::zeros({out, rank}, at::TensorOptions(at::kFloat));
  const auto it = modules->find(path);
  if (it == modules->end()) return {a_RI, b_OR};
  const at::NoGradGuard no_grad;
  const LowRank& part = *it->second.adapter->low_rank(it->second.member);
  const int64_t own = part.A_RI.size(0);
  a_RI.narrow(0, 0, own).copy_(part.A_RI);
  // An equal scale keeps B's bits.
  b_OR.narrow(1, 0, own).copy_(part.scale == scale ? part.whole_B() : part.whole_B() * (part.scale / scale));
  return {a_RI, b_OR};
}

UniformPairs uniform_pairs(const Modules& modules) {
  UniformPairs uniform;
  uniform.modules = &modules;
  for (const auto& [path, module] : modules) {
    const LowRank* part = module.adapter->low_rank(module.member);
    if (part == nullptr) throw ConfigError("this adapter is not low-rank; merge it instead of exporting it");
    uniform.rank = std::max(uniform.rank, part->A_RI.size(0));
    if (uniform.scale == 0) uniform.scale = part->scale;
  }
  uniform.alpha = uniform.scale * static_cast<double>(uniform.rank);
  uniform.scale = uniform.alpha / static_cast<double>(uniform.rank);
  return uniform;
}

std::vector<AdaptedSlot> adapted_slots(const AdapterSet& adapters) {
  std::vector<AdaptedSlot> slots;
  for (const Site& site : adapters.sites()) {
    if (!adapted(slots, site.slot)) slots.push_back({site.slot, site.in, site.out});
  }
  return slots;
}

bool adapted(const std::vector<AdaptedSlot>& slots, Slot slot) {
  return std::any_of(slots.begin(), slots.end(), [&](const AdaptedSlot& one) { return one.slot == slot; });
}

std::string last_part(std::string_view path) { return std::string(path.substr(path.rfind('.') + 1)); }

std::vector<std::string> slot_paths(const ModelShape& shape, Slot slot) {
  const Arch& arch = find_arch(shape.arch, "export");
  std::vector<std::string> paths;
  if (is_model_slot(slot)) return {module_path(arch, slot, -1)};
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    if (!has_slot(shape, slot, layer)) continue;
    if (!is_expert_slot(slot)) {
      paths.push_back(module_path(arch, slot, layer));
      continue;
    }
    for (int64_t e = 0; e < shape.experts; ++e) paths.push_back(module_path(arch, slot, layer, e));
  }
  return paths;
}

std::vector<std::string> target_modules(const ModelShape& shape, const std::vector<AdaptedSlot>& slots) {
  std::vector<std::string> targets;
  for (const AdaptedSlot& one : slots) {
    const std::vector<std::string> paths = slot_paths(shape, one.slot);
    const std::string name = last_part(paths.front());
    bool shared = false;
    for (const SlotPath& row : find_arch(shape.arch, "export").paths) {
      const bool other = !is_vector_slot(row.slot) && has_slot(shape, row.slot) && !adapted(slots, row.slot);
      shared = shared || (other && last_part(row.path) == name);
    }
    if (shared) {
      targets.insert(targets.end(), paths.begin(), paths.end());
    } else if (std::find(targets.begin(), targets.end(), name) == targets.end()) {
      targets.push_back(name);
    }
  }
  return targets;
}

}  // namespace hellora
