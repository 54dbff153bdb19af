#include "hellora/model/adapter_dir.h"

#include <map>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/json_object.h"
#include "hellora/core/json_text.h"
#include "hellora/io/paths.h"
#include "hellora/model/adapter_file.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

constexpr const char* kFormat = "hellora.adapter/1";
constexpr const char* kTensors = "adapter_model.safetensors";

/// Pairs of the file by (layer, slot), then expert.
using Found = std::map<std::pair<int64_t, Slot>, std::map<int64_t, FilePair>>;

/// Gate, up and down of a layer must adapt the same experts: one row order serves all three.
void check_expert_sets(const Found& found, const std::string& where) {
  std::map<int64_t, std::vector<int64_t>> first;
  for (const auto& [key, pairs] : found) {
    if (!is_expert_slot(key.second)) continue;
    std::vector<int64_t> experts;
    for (const auto& [expert, unused] : pairs) experts.push_back(expert);
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
  for (const auto& [key, pairs] : found) {
    const std::string target(target_of(key.second));
    if (std::find(wide.targets.begin(), wide.targets.end(), target) == wide.targets.end()) wide.targets.push_back(target);
    if (!is_expert_slot(key.second)) continue;
    if (!plan.layers.empty() && plan.layers.back().layer == key.first) continue;
    LayerPlan layer{key.first, {}, 0};
    for (const auto& [expert, unused] : pairs) layer.experts.push_back({expert, 0});
    plan.layers.push_back(std::move(layer));
  }
  std::vector<Site> sites;
  for (Site& site : find_sites(shape, wide, plan)) {
    const auto it = found.find({site.layer, site.slot});
    if (it == found.end()) continue;
    site.members.clear();
    for (const auto& [expert, pair] : it->second) site.members.push_back(pair.member);
    sites.push_back(std::move(site));
  }
  return sites;
}

/// Values of the file into the set; CheckFailed where one is not finite: no result of such an adapter means anything.
void copy_values(const Found& found, const std::string& where, AdapterSet& adapters) {
  const auto put = [&](size_t spec, const Tensor& value) {
    if (!at::isfinite(value).all().item<bool>())
      throw CheckFailed(where + ": tensor " + kPeftPrefix + adapters.specs()[spec].name + " holds values that are not finite");
    adapters.param(spec).detach().copy_(value);
  };
  for (size_t p = 0; p + 1 < adapters.specs().size(); p += 2) {  // A, then B
    const ParamSpec& spec = adapters.specs()[p];
    const Site& site = adapters.sites()[spec.site];
    const auto [a_RI, b_OR] = found.at({site.layer, site.slot}).at(site.members[spec.member].expert).load();
    put(p, a_RI);
    put(p + 1, b_OR);
  }
}

}  // namespace

AdapterOrigin read_origin(const Path& folder) {
  AdapterOrigin origin;
  const Path path = folder / "hellora.json";
  if (!path_exists(path)) {
    origin.plain = true;
    origin.base_path = read_peft_config(folder).base;
    return origin;
  }
  const std::string where = path.string();
  const Json json = parse_json(read_text(path), where);
  JsonObject ours(json, where);
  if (ours.text("format") != kFormat) throw FormatError(where + ": format is not " + kFormat);
  ours.choice_or("method", "lora", {"lora"});
  origin.plan = plan_from_json(ours.at("plan"), where + ": plan");
  origin.model_hash = ours.text_or("model_hash", "");
  origin.model = ours.text_or("model", "");
  origin.base_path = read_peft_config(folder).base;
  origin.data_format = ours.text_or("data_format", "");
  origin.train_on = ours.choice_or("train_on", "completion", {"completion", "last-turn", "all-turns", "all"});
  origin.chat_template = ours.text_or("chat_template", "auto");
  if (const Json* run = ours.find("run")) origin.run = *run;
  ours.harmless({"version"});
  ours.finish(Unknown::refuse);
  return origin;
}

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
  write_text_atomic(folder / "adapter_config.json", dump_json(config, 2) + "\n");
  Json ours{{"format", kFormat},
            {"version", HELLORA_VERSION},
            {"method", std::string(adapters.method().name)},
            {"plan", plan_to_json(origin.plan)}};
  ours["model_hash"] = origin.model_hash;
  ours["model"] = shape_note(shape);
  ours["data_format"] = origin.data_format;
  ours["train_on"] = origin.train_on;
  ours["chat_template"] = origin.chat_template;
  ours["run"] = origin.run;
  write_text_atomic(folder / "hellora.json", dump_json(ours, 1) + "\n");
}

LoadedAdapter read_adapter(const Path& folder, const ModelShape& shape, at::ScalarType dtype) {
  LoadedAdapter loaded;
  loaded.origin = read_origin(folder);
  check_shape(loaded.origin, shape, folder);
  const PeftConfig peft = read_peft_config(folder);
  const SafetensorsFile file(folder / kTensors);
  if (file.tensors().empty()) throw FormatError(file.path().string() + ": holds no tensor");
  Found found;
  for (FilePair& pair : read_pairs(file, shape, peft)) {
    const std::pair key(pair.layer, pair.slot);
    const int64_t expert = pair.member.expert;
    found[key].emplace(expert, std::move(pair));
  }
  check_expert_sets(found, file.path().string());
  AdapterConfig config;
  config.rank = peft.rank;
  config.alpha = peft.alpha;
  config.dropout = peft.dropout;
  config.rslora = peft.rslora;
  loaded.adapters = std::make_unique<AdapterSet>(sites_of(found, shape, config), config, 0, BaseWeight(), dtype);
  copy_values(found, file.path().string(), *loaded.adapters);
  return loaded;
}

}  // namespace hellora
