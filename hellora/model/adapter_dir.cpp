#include "hellora/model/adapter_dir.h"

#include <filesystem>
#include <map>
#include <set>

#include "hellora/core/error.h"
#include "hellora/model/peft_config.h"
#include "hellora/model/slots.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

constexpr const char* kFormat = "hellora.adapter/1";
constexpr const char* kTensors = "adapter_model.safetensors";

/// Where a module path of the checkpoint lies in the model.
struct Place {
  int64_t layer;
  Slot slot;
  int64_t expert;
};

std::map<std::string, Place> places_by_path(const ModelShape& shape) {
  const Arch& arch = find_arch(shape.arch, "config.json");
  std::map<std::string, Place> places;
  for_each_slot(shape, [&](Slot slot, int64_t layer) {
    if (is_vector_slot(slot)) return;
    const bool expert = is_expert_slot(slot);
    for (int64_t e = expert ? 0 : -1; e < (expert ? shape.experts : 0); ++e) places[module_path(arch, slot, layer, e)] = {layer, slot, e};
  });
  if (shape.tied_embeddings) places[module_path(arch, Slot::lm_head, -1)] = {-1, Slot::lm_head, -1};
  return places;
}

/// Splits "base_model.model.PATH.lora_A.weight" into PATH and whether it is A; anything else is refused.
std::pair<std::string, bool> split_key(const std::string& key, const std::string& where) {
  if (!key.starts_with(kPeftPrefix)) throw FormatError(where + ": tensor " + key + " does not start with " + kPeftPrefix);
  const std::string rest = key.substr(std::string_view(kPeftPrefix).size());
  for (const char* suffix : {".lora_A.weight", ".lora_B.weight", ".lora_embedding_A", ".lora_embedding_B"}) {
    if (rest.ends_with(suffix))
      return {rest.substr(0, rest.size() - std::string_view(suffix).size()), std::string_view(suffix).find("_A") != std::string_view::npos};
  }
  throw FormatError(where + ": tensor " + key + " is not a LoRA factor (expected …lora_A.weight or …lora_B.weight)");
}

/// Members per (layer, slot) as the file's A factors tell them.
using Found = std::map<std::pair<int64_t, Slot>, std::map<int64_t, SiteMember>>;

Found find_members(const SafetensorsFile& file, const ModelShape& shape, const PeftConfig& config) {
  const auto places = places_by_path(shape);
  Found found;
  for (const TensorInfo& tensor : file.tensors()) {
    const auto [path, is_a] = split_key(tensor.name, file.path().string());
    const auto it = places.find(path);
    if (it == places.end()) {
      const bool fused = path.ends_with(".experts") || path.ends_with(".experts.base_layer");
      throw FormatError(file.path().string() + ": " + path + " is not a module of this " + shape.arch + " model" +
                        (fused ? " (fused expert adapters are an export format; load the native adapter instead)" : ""));
    }
    if (!is_a) continue;
    if (tensor.shape.size() != 2 || tensor.shape[0] < 1)
      throw FormatError(file.path().string() + ": tensor " + tensor.name + " must be (rank, in)");
    const double alpha = pattern_value(config.alpha_pattern, path, config.alpha);
    const auto rank = static_cast<int64_t>(pattern_value(config.rank_pattern, path, static_cast<double>(config.rank)));
    if (rank != tensor.shape[0]) {
      throw FormatError(file.path().string() + ": tensor " + tensor.name + " has rank " + std::to_string(tensor.shape[0]) +
                        ", adapter_config.json says " + std::to_string(rank));
    }
    found[{it->second.layer, it->second.slot}][it->second.expert] = {it->second.expert, rank, alpha, path};
  }
  return found;
}

/// Gate, up and down of a layer must adapt the same experts: one row order serves all three.
void check_expert_sets(const Found& found, const std::string& where) {
  std::map<int64_t, std::vector<int64_t>> first;
  for (const auto& [key, members] : found) {
    if (!is_expert_slot(key.second)) continue;
    std::vector<int64_t> experts;
    for (const auto& [expert, unused] : members) experts.push_back(expert);
    const auto [it, fresh] = first.emplace(key.first, experts);
    if (!fresh && it->second != experts) {
      throw FormatError(where + ": layer " + std::to_string(key.first) + ": gate_proj, up_proj and down_proj adapt different experts");
    }
  }
}

std::vector<Site> sites_of(const Found& found, const ModelShape& shape, const AdapterConfig& config) {
  // Sizes and order come from the same place as for a fresh adapter.
  AdapterConfig wide = config;
  wide.targets.clear();
  Plan plan;
  for (const auto& [key, members] : found) {
    const std::string target(target_of(key.second));
    if (std::find(wide.targets.begin(), wide.targets.end(), target) == wide.targets.end()) wide.targets.push_back(target);
    if (!is_expert_slot(key.second)) continue;
    if (!plan.layers.empty() && plan.layers.back().layer == key.first) continue;
    LayerPlan layer{key.first, {}, 0};
    for (const auto& [expert, unused] : members) layer.experts.push_back({expert, 0});
    plan.layers.push_back(std::move(layer));
  }
  std::vector<Site> sites;
  for (Site& site : find_sites(shape, wide, plan)) {
    const auto it = found.find({site.layer, site.slot});
    if (it == found.end()) continue;
    site.members.clear();
    for (const auto& [expert, member] : it->second) site.members.push_back(member);
    sites.push_back(std::move(site));
  }
  return sites;
}

void copy_values(const SafetensorsFile& file, AdapterSet& adapters) {
  std::set<std::string> used;
  for (size_t p = 0; p < adapters.specs().size(); ++p) {
    const ParamSpec& spec = adapters.specs()[p];
    const TensorInfo* info = file.find(kPeftPrefix + spec.name);
    if (info == nullptr) throw FormatError(file.path().string() + ": tensor " + kPeftPrefix + spec.name + " is missing");
    if (info->shape != spec.shape)
      throw FormatError(file.path().string() + ": tensor " + info->name + " has the wrong shape for this model");
    adapters.param(p).detach().copy_(read_tensor(*info, file.bytes(*info)));
    used.insert(info->name);
  }
  for (const TensorInfo& tensor : file.tensors()) {
    if (!used.contains(tensor.name)) throw FormatError(file.path().string() + ": tensor " + tensor.name + " has no lora_A beside it");
  }
}

AdapterOrigin read_origin(const Path& path) {
  AdapterOrigin origin;
  if (!std::filesystem::exists(path)) return origin;
  const std::string where = path.string();
  const Json json = parse_json(read_text(path), where);
  if (string_member(json, "format", where) != kFormat) throw FormatError(where + ": format is not " + kFormat);
  origin.plan = plan_from_json(member(json, "plan", where), where);
  origin.model_hash = string_or(json, "model_hash", "", where);
  origin.data_format = string_or(json, "data_format", "", where);
  origin.train_on = string_or(json, "train_on", "completion", where);
  origin.chat_template = string_or(json, "chat_template", "auto", where);
  if (has(json, "run")) origin.run = json["run"];
  return origin;
}

}  // namespace

namespace {

/// PEFT joins the factors of a layer's experts by `r` where it keeps experts as one module (transformers 5): only with the
/// largest rank there does the sum over a part of the experts never look like all of them.
int64_t largest_rank(const std::vector<Site>& sites) {
  int64_t largest = 1;
  for (const Site& site : sites) {
    for (const SiteMember& one : site.members) largest = std::max(largest, one.rank);
  }
  return largest;
}

/// Down sites that nobody adapts, beside gate and up of the same experts: without them PEFT on transformers 5 leaves gate
/// and up out and says nothing. They are written as pairs of zeros.
std::vector<Site> silent_down_sites(const AdapterSet& adapters, const ModelShape& shape) {
  const Arch& arch = find_arch(shape.arch, "adapter");
  std::vector<Site> out;
  for (const Site& gate : adapters.sites()) {
    if (gate.slot != Slot::gate || adapters.find_site(gate.layer, Slot::up) == nullptr ||
        adapters.find_site(gate.layer, Slot::down) != nullptr)
      continue;
    Site down = gate;
    down.slot = Slot::down;
    std::swap(down.in, down.out);
    for (SiteMember& one : down.members) one.path = module_path(arch, Slot::down, gate.layer, one.expert);
    out.push_back(std::move(down));
  }
  return out;
}

}  // namespace

void write_adapter(const Path& folder, const AdapterSet& adapters, const AdapterOrigin& origin, const ModelShape& shape) {
  make_folder(folder);
  std::vector<Tensor> keep;
  std::vector<TensorBytes> bytes;
  const auto add = [&](const std::string& name, const Tensor& value) {
    keep.push_back(value.detach().to(at::kFloat).contiguous());
    bytes.push_back(tensor_bytes(kPeftPrefix + name, keep.back()));
  };
  for (size_t p = 0; p < adapters.specs().size(); ++p) add(adapters.specs()[p].name, adapters.param(p));
  std::vector<Site> sites = adapters.sites();
  for (Site& site : silent_down_sites(adapters, shape)) {
    for (const SiteMember& one : site.members) {
      add(one.path + ".lora_A.weight", at::zeros({one.rank, site.in}));
      add(one.path + ".lora_B.weight", at::zeros({site.out, one.rank}));
    }
    sites.push_back(std::move(site));
  }
  write_safetensors(folder / kTensors, std::move(bytes), {{"format", "pt"}});
  std::vector<std::string> modules;
  AdapterConfig settings = adapters.config();
  settings.rank = largest_rank(sites);
  Json ranks = Json::object(), alphas = Json::object();
  for (const Site& site : sites) {
    for (const SiteMember& one : site.members) {
      modules.push_back(one.path);
      if (one.rank != settings.rank) ranks[one.path] = one.rank;
      if (one.alpha > 0 && one.alpha != settings.alpha) alphas[one.path] = one.alpha;
    }
  }
  Json config = peft_config(settings, origin.base_path, modules);
  config["rank_pattern"] = ranks;
  config["alpha_pattern"] = alphas;
  write_text_atomic(folder / "adapter_config.json", config.dump(2) + "\n");
  Json ours{{"format", kFormat},
            {"version", HELLORA_VERSION},
            {"method", std::string(adapters.method().name)},
            {"plan", plan_to_json(origin.plan)}};
  ours["model_hash"] = origin.model_hash;
  ours["data_format"] = origin.data_format;
  ours["train_on"] = origin.train_on;
  ours["chat_template"] = origin.chat_template;
  ours["run"] = origin.run;
  write_text_atomic(folder / "hellora.json", ours.dump(1) + "\n");
}

LoadedAdapter read_adapter(const Path& folder, const ModelShape& shape, at::ScalarType dtype) {
  const std::string where = (folder / "adapter_config.json").string();
  const PeftConfig peft = parse_peft_config(parse_json(read_text(folder / "adapter_config.json"), where), where);
  const SafetensorsFile file(folder / kTensors);
  if (file.tensors().empty()) throw FormatError(file.path().string() + ": holds no tensor");
  const Found found = find_members(file, shape, peft);
  check_expert_sets(found, file.path().string());
  AdapterConfig config;
  config.rank = peft.rank;
  config.alpha = peft.alpha;
  config.dropout = peft.dropout;
  config.rslora = peft.rslora;
  LoadedAdapter loaded;
  loaded.adapters = std::make_unique<AdapterSet>(sites_of(found, shape, config), config, 0, BaseWeight(), dtype);
  copy_values(file, *loaded.adapters);
  loaded.origin = read_origin(folder / "hellora.json");
  return loaded;
}

void check_base(const LoadedAdapter& adapter, const Decoder& decoder, const Path& folder) {
  if (adapter.origin.model_hash.empty()) return;
  const std::string hash = model_hash(decoder);
  if (hash != adapter.origin.model_hash) {
    throw StateError(folder.string() + ": the adapter was made for another base model (hash " + adapter.origin.model_hash +
                     ", this one is " + hash + ")");
  }
}

}  // namespace hellora
