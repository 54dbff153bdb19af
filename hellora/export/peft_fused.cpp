// The layout of model/fused_layout.h, written and read back. Gate and up share one parameter, so their pair has rank 2R: A stacked,
// B block-diagonal.
#include <map>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/text.h"
#include "hellora/export/formats.h"
#include "hellora/model/fused_layout.h"
#include "hellora/model/peft_config.h"
#include "hellora/model/slots.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

struct Writer {
  const ModelShape& shape;
  const Arch& arch;
  const UniformPairs& uniform;
  std::vector<Tensor> keep;
  std::vector<TensorBytes> bytes;

  void add(const std::string& path, const Tensor& a, const Tensor& b) {
    keep.push_back(a.contiguous());
    bytes.push_back(tensor_bytes(kPeftPrefix + path + ".lora_A.weight", keep.back()));
    keep.push_back(b.contiguous());
    bytes.push_back(tensor_bytes(kPeftPrefix + path + ".lora_B.weight", keep.back()));
  }

  void add_gate_up(int64_t layer, const std::string& path) {
    const int64_t width = shape.expert_width;
    std::vector<Tensor> a_parts, b_parts;
    for (int64_t e = 0; e < shape.experts; ++e) {
      const auto [a_gate, b_gate] = uniform.pair(module_path(arch, Slot::gate, layer, e), shape.hidden, width);
      const auto [a_up, b_up] = uniform.pair(module_path(arch, Slot::up, layer, e), shape.hidden, width);
      a_parts.push_back(at::cat({a_gate, a_up}));
      b_parts.push_back(at::block_diag({b_gate, b_up}));
    }
    const auto [a, b] = file_order({at::stack(a_parts), at::stack(b_parts)});
    add(path, a, b);
  }

  void add_down(int64_t layer, const std::string& path) {
    std::vector<Tensor> a_parts, b_parts;
    for (int64_t e = 0; e < shape.experts; ++e) {
      const auto [a_one, b_one] = uniform.pair(module_path(arch, Slot::down, layer, e), shape.expert_width, shape.hidden);
      a_parts.push_back(a_one);
      b_parts.push_back(b_one);
    }
    const auto [a, b] = file_order({at::stack(a_parts), at::stack(b_parts)});
    add(path, a, b);
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

Json fused_config(const AdapterSet& adapters, const AdapterOrigin& origin, const ModelShape& shape, const UniformPairs& uniform,
                  const std::vector<AdaptedSlot>& slots) {
  const Arch& arch = find_arch(shape.arch, "export");
  AdapterConfig config = adapters.config();
  config.rank = uniform.rank;
  config.alpha = uniform.alpha;
  config.rslora = false;
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
  Json json = peft_config(config, origin.base_path, fused_modules(shape, modules));
  json["target_parameters"] = parameters;
  if (gate_up) {
    const std::string pattern = ".*\\." + last_part(arch.fused_gate_up);
    json["rank_pattern"] = {{pattern, 2 * uniform.rank}};
    json["alpha_pattern"] = {{pattern, 2 * uniform.alpha}};
  }
  return json;
}

}  // namespace

void write_peft_fused(const Path& folder, const AdapterSet& adapters, const AdapterOrigin& origin, const ModelShape& shape) {
  const Modules modules = modules_by_path(adapters);
  const UniformPairs uniform = uniform_pairs(modules);
  const std::vector<AdaptedSlot> slots = adapted_slots(adapters);
  const Arch& arch = find_arch(shape.arch, "export");
  Writer writer{shape, arch, uniform, {}, {}};
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
      const auto [a, b] = uniform.pair(module_path(arch, one.slot, layer), one.in, one.out);
      writer.add(fused_path(arch, one.slot, layer), a, b);
    }
  }
  for (const int64_t layer : routed_layers(shape)) {
    const FusedKeys keys = fused_keys(arch, layer, gate_up && down);
    if (gate_up) writer.add_gate_up(layer, keys.gate_up);
    if (down) writer.add_down(layer, keys.down);
  }
  make_folder(folder);
  write_safetensors(folder / "adapter_model.safetensors", std::move(writer.bytes), {{"format", "pt"}});
  write_text_atomic(folder / "adapter_config.json", fused_config(adapters, origin, shape, uniform, slots).dump(2) + "\n");
}

namespace {

/// ΔW of expert e, element by element as the format defines it.
Tensor expert_change(const Tensor& a_NI, const Tensor& b_ON, int64_t e, int64_t experts, double scale) {
  const int64_t rank = a_NI.size(0) / experts;
  Tensor change = at::zeros({b_ON.size(0), a_NI.size(1)}, a_NI.options());
  for (int64_t j = 0; j < rank; ++j) change += at::outer(b_ON.select(1, j * experts + e), a_NI.select(0, e * rank + j)) * scale;
  return change;
}

}  // namespace

void read_peft_fused(const Path& folder, const ModelShape& shape, const std::function<void(const std::string&, const Tensor&)>& visit) {
  const std::string where = (folder / "adapter_config.json").string();
  const Json json = parse_json(read_text(folder / "adapter_config.json"), where);
  const auto rank = static_cast<double>(int_member(json, "r", where));
  const double scale = double_member(json, "lora_alpha", where) / rank;  // of gate_up too: rank and alpha both double
  const SafetensorsFile file(folder / "adapter_model.safetensors");
  const Arch& arch = find_arch(shape.arch, "export");
  const auto load = [&](const std::string& key) {
    const TensorInfo* info = file.find(kPeftPrefix + key);
    if (info == nullptr) throw FormatError(file.path().string() + ": tensor " + kPeftPrefix + key + " is missing");
    return read_tensor(*info, file.bytes(*info), at::kDouble);
  };
  constexpr std::string_view kSuffix = ".lora_A.weight";
  std::map<std::string, std::string> published;  // paths of this layout that are others in the published one
  for (const int64_t layer : routed_layers(shape)) published[fused_router_path(arch, layer)] = module_path(arch, Slot::router, layer);
  for (const TensorInfo& info : file.tensors()) {
    if (!info.name.ends_with(kSuffix) || info.name.find(".experts.") != std::string::npos) continue;
    const std::string path =
        info.name.substr(std::string_view(kPeftPrefix).size(), info.name.size() - kSuffix.size() - std::string_view(kPeftPrefix).size());
    const Tensor change = at::matmul(load(path + ".lora_B.weight"), load(path + ".lora_A.weight")) * scale;
    visit(published.contains(path) ? published.at(path) : path, change);
  }
  // The config says which parameter a key belongs to; shapes alone may not (a square gate_up).
  const Json& parameters = member(json, "target_parameters", where);
  const auto listed = [&](std::string_view pattern) {
    return std::find(parameters.begin(), parameters.end(), fused_parameter(pattern)) != parameters.end();
  };
  const bool fused = !arch.fused_gate_up.empty();
  const bool gate_up = fused && listed(arch.fused_gate_up), down = fused && listed(arch.fused_down);
  for (const int64_t layer : routed_layers(shape)) {
    if (!gate_up && !down) break;
    const FusedKeys keys = fused_keys(arch, layer, gate_up && down);
    if (gate_up) {
      const Tensor a = load(keys.gate_up + ".lora_A.weight"), b = load(keys.gate_up + ".lora_B.weight");
      for (int64_t e = 0; e < shape.experts; ++e) {
        const Tensor change = expert_change(a, b, e, shape.experts, scale);
        visit(module_path(arch, Slot::gate, layer, e), change.narrow(0, 0, shape.expert_width));
        visit(module_path(arch, Slot::up, layer, e), change.narrow(0, shape.expert_width, shape.expert_width));
      }
    }
    if (!down) continue;
    const Tensor a = load(keys.down + ".lora_A.weight"), b = load(keys.down + ".lora_B.weight");
    for (int64_t e = 0; e < shape.experts; ++e)
      visit(module_path(arch, Slot::down, layer, e), expert_change(a, b, e, shape.experts, scale));
  }
}

}  // namespace hellora
