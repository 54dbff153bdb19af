#include "hellora/export/formats.h"

#include <array>
#include <cmath>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/json_object.h"
#include "hellora/core/text.h"
#include "hellora/io/safetensors.h"
#include "hellora/model/slots.h"

namespace hellora {

void write_peft_full(const Path& folder, const AdapterSet& adapters, const ExportSettings& settings, const ModelShape& shape);
void read_peft_full(const Path& folder, const ModelShape& shape, const VisitChange& visit);
void write_peft_fused(const Path& folder, const AdapterSet& adapters, const ExportSettings& settings, const ModelShape& shape);
void read_peft_fused(const Path& folder, const ModelShape& shape, const VisitChange& visit);

namespace {

constexpr auto kFormats = std::to_array<ExportFormat>({
    {"peft-full", write_peft_full, read_peft_full},
    {"peft-fused", write_peft_fused, read_peft_fused},
});

constexpr auto kTexts = std::to_array<FormatText>({
    {"adapter", "train, run", "hellora; PEFT with transformers 4",
     "the base model; only adapted experts have keys, so PEFT with transformers 5 refuses it"},
    {"peft-full", "export --format peft-full", "PEFT with transformers 4 and 5, vLLM, SGLang, llama.cpp's LoRA converter",
     "the base model; every expert has keys, cold ones zero"},
    {"peft-fused", "export --format peft-fused", "PEFT 0.19 and later with transformers 5", "the base model; no adapter on the embedding"},
    {"merged", "merge", "whatever reads the base: transformers, vLLM, SGLang, llama.cpp and Ollama (as GGUF), lm-eval",
     "nothing else; as large as the base"},
});

double norm_of(const Tensor& x) { return x.norm().item<double>(); }

}  // namespace

std::span<const ExportFormat> export_formats() { return kFormats; }

std::span<const FormatText> format_texts() { return kTexts; }

const FormatText& find_format_text(std::string_view name) {
  const auto* it = std::find_if(kTexts.begin(), kTexts.end(), [&](const FormatText& one) { return one.name == name; });
  HELLORA_CHECK(it != kTexts.end(), "every format has its text");
  return *it;
}

Tensor FileChange::whole() const {
  const Tensor change = at::matmul(b_OR, a_RI) * scale;
  return embedding ? change.t() : change;
}

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
  JsonObject object(config, where);
  const Json* parameters = object.find("target_parameters");
  if (parameters != nullptr && !is_inert(*parameters)) return find_export("peft-fused");
  const SafetensorsFile file(folder / "adapter_model.safetensors");
  for (const TensorInfo& tensor : file.tensors()) {
    if (tensor.name.find(".experts.lora_") != std::string::npos || tensor.name.find(".experts.base_layer.lora_") != std::string::npos) {
      return find_export("peft-fused");
    }
  }
  return find_export("peft-full");
}

namespace {

/// Sums of one module's differences, over pieces of its rows.
struct Difference {
  double own_sq = 0, error_sq = 0, rounding_sq = 0;
};

/// B of a pair as a file of another scale stores it; an equal scale keeps B's bits.
Tensor folded_B(const LowRank& part, double scale) { return part.scale == scale ? part.whole_B() : part.whole_B() * (part.scale / scale); }

Difference compare_change(const LowRank& own, const FileChange& file) {
  const Tensor a_RI = own.A_RI.to(at::kDouble), b_OR = own.whole_B().to(at::kDouble);
  const bool rounds = file.stored != at::kFloat && file.stored != at::kDouble;
  const Tensor rounded_a = own.A_RI.to(file.stored).to(at::kDouble), rounded_b = folded_B(own, file.scale).to(file.stored).to(at::kDouble);
  const int64_t out = b_OR.size(0), step = std::max<int64_t>(1, (int64_t{1} << 20) / std::max<int64_t>(1, a_RI.size(1)));
  Difference sum;
  for (int64_t first = 0; first < out; first += step) {
    const int64_t rows = std::min(step, out - first);
    const Tensor exact = at::matmul(b_OR.narrow(0, first, rows), a_RI) * own.scale;
    const Tensor wanted = rounds ? at::matmul(rounded_b.narrow(0, first, rows), rounded_a) * file.scale : exact;
    const Tensor found = at::matmul(file.b_OR.narrow(0, first, rows), file.a_RI) * file.scale;
    sum.own_sq += exact.square().sum().item<double>();
    sum.error_sq += (wanted - found).square().sum().item<double>();
    if (rounds) sum.rounding_sq += (wanted - exact).square().sum().item<double>();
  }
  return sum;
}

bool is_zero(const FileChange& change) { return norm_of(change.a_RI) == 0 || norm_of(change.b_OR) == 0; }

}  // namespace

ChangeDifference compare_export(const ExportFormat& format, const Path& folder, const AdapterSet& adapters, const ModelShape& shape) {
  const at::NoGradGuard no_grad;
  const Modules modules = modules_by_path(adapters);
  std::set<std::string> seen;
  ChangeDifference difference;
  double change_sq = 0, rounding_sq = 0;
  format.read(folder, shape, [&](const std::string& path, const FileChange& change) {
    const auto it = modules.find(path);
    if (it == modules.end()) {
      if (!is_zero(change)) difference.note(path, INFINITY);
      return;
    }
    const Difference one = compare_change(low_rank_part(*it->second.adapter, it->second.member), change);
    // The adapter's own norm must fit into fp32: no reader computes in more.
    const double size = static_cast<float>(std::sqrt(one.own_sq)), error = std::sqrt(one.error_sq);
    difference.note(path, !std::isfinite(size) ? INFINITY : size > 0 ? error / size : error > 0 ? INFINITY : error);
    change_sq += one.own_sq;
    rounding_sq += one.rounding_sq;
    if (!seen.insert(path).second) throw FormatError(folder.string() + ": " + path + " is in the file twice");
  });
  for (const auto& [path, module] : modules) {
    if (!seen.contains(path)) difference.note(path, INFINITY);
  }
  difference.modules = static_cast<int64_t>(seen.size());
  difference.rounding_loss = change_sq > 0 ? std::sqrt(rounding_sq / change_sq) : 0;
  return difference;
}

namespace {

/// The pair without the ranks whose gate is zero: they change nothing. One rank stays.
LowRank without_dead_ranks(LowRank part) {
  if (!part.gate_R.defined()) return part;
  Tensor alive = at::nonzero(part.gate_R.detach()).squeeze(1);
  if (alive.numel() == 0) alive = at::zeros({1}, alive.options());
  part.A_RI = part.A_RI.index_select(0, alive);
  part.B_OR = part.B_OR.index_select(1, alive);
  part.gate_R = part.gate_R.index_select(0, alive);
  return part;
}

}  // namespace

std::pair<Tensor, Tensor> UniformPairs::pair(const std::string& path, int64_t in, int64_t out) const {
  const Tensor a_RI = at::zeros({rank, in}, at::TensorOptions(at::kFloat)), b_OR = at::zeros({out, rank}, at::TensorOptions(at::kFloat));
  const auto it = modules->find(path);
  if (it == modules->end()) return {a_RI, b_OR};
  const at::NoGradGuard no_grad;
  const LowRank part = without_dead_ranks(low_rank_part(*it->second.adapter, it->second.member));
  const int64_t own = part.A_RI.size(0);
  a_RI.narrow(0, 0, own).copy_(part.A_RI);
  b_OR.narrow(1, 0, own).copy_(folded_B(part, scale));
  return {a_RI, b_OR};
}

UniformPairs uniform_pairs(const Modules& modules) {
  UniformPairs uniform;
  uniform.modules = &modules;
  for (const auto& [path, module] : modules) {
    const Part what = module.adapter->part(module.member);
    if (!is_low_rank(what)) throw ConfigError("this adapter is not low-rank; merge it instead of exporting it");
    const LowRank part = without_dead_ranks(std::get<LowRank>(what));
    uniform.rank = std::max(uniform.rank, part.rank());
    if (uniform.scale == 0) uniform.scale = part.scale;
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
