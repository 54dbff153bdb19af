#include "hellora/model/adapter_dir.h"

#include <map>
#include <optional>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/json_object.h"
#include "hellora/core/json_text.h"
#include "hellora/core/printable.h"
#include "hellora/core/text.h"
#include "hellora/io/paths.h"
#include "hellora/model/adapter_file.h"
#include "hellora/model/declared_adapter.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

constexpr const char* kFormat = "hellora.adapter/1";
constexpr const char* kTensors = "adapter_model.safetensors";
constexpr const char* kConfig = "adapter_config.json";  // PEFT's
constexpr const char* kOurs = "hellora.json";

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

/// The method that a file names. FormatError: this hellora has no such method, or it makes no adapter.
std::string method_name(const std::string& name, const std::string& where) {
  std::vector<std::string> known;
  for (const Method& one : methods()) {
    if (one.makes_adapter && one.name == name) return name;
    if (one.makes_adapter) known.emplace_back(one.name);
  }
  throw FormatError(where + ": method \"" + printable(name) + "\" makes no adapter that this hellora knows; expected one of " +
                    join(known, ", "));
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
    const Site& site = adapters.sites()[spec.place->site];
    const auto [a_RI, b_OR] = found.at({site.layer, site.slot}).at(site.members[spec.place->member].expert).load();
    put(p, a_RI);
    put(p + 1, b_OR);
  }
}

}  // namespace

bool holds_adapter(const Path& folder) { return path_exists(folder / kConfig) || path_exists(folder / kOurs); }

AdapterOrigin read_origin(const Path& folder) {
  AdapterOrigin origin;
  const Path path = folder / kOurs;
  if (!path_exists(path)) {
    origin.plain = true;
    origin.base_path = read_peft_config(folder).base;
    return origin;
  }
  const std::string where = path.string();
  const Json json = parse_json(read_text(path), where);
  JsonObject ours(json, where);
  if (ours.text("format") != kFormat) throw FormatError(where + ": format is not " + kFormat);
  origin.method = method_name(ours.text_or("method", "lora"), where);
  if (const Json* settings = ours.find("settings")) origin.settings = *settings;
  origin.seed = static_cast<uint64_t>(ours.integer_or("seed", 0, 0, INT64_MAX));
  origin.seeded_hash = ours.text_or("seeded_hash", "");
  origin.plan = plan_from_json(ours.at("plan"), where + ": plan");
  origin.model_hash = ours.text_or("model_hash", "");
  origin.model = ours.text_or("model", "");
  origin.base_path = find_method(origin.method).pairs ? read_peft_config(folder).base : ours.text_or("base", "");
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

/// A module that only transformers 5 has, which keeps the experts of a layer as one, and that no adapter can take: PEFT refuses the
/// folder there, where it would leave the experts out and say nothing.
constexpr const char* kFusedOnly = "experts.act_fn";

/// What adapter_config.json says; nothing where PEFT has no such type or would compute something else.
std::optional<Json> peft_config(const AdapterSet& adapters, const std::vector<Site>& sites, const std::string& base) {
  const Method& method = adapters.method();
  if (method.peft_type.empty()) return std::nullopt;
  const bool lora = method.peft_type == "LORA";
  AdapterConfig settings = adapters.config();
  if (lora) settings.rank = largest_rank(sites);
  std::vector<std::string> modules;
  Json ranks = Json::object(), alphas = Json::object();
  bool experts = false;
  for (const Site& site : sites) {
    experts = experts || is_expert_slot(site.slot);
    for (const SiteMember& one : site.members) {
      modules.push_back(one.path);
      if (one.rank != settings.rank) ranks[one.path] = one.rank;
      if (one.alpha > 0 && one.alpha != settings.alpha) alphas[one.path] = one.alpha;
    }
  }
  if (experts && !method.pairs) modules.emplace_back(kFusedOnly);
  Json config = lora ? hellora::peft_config(settings, base, modules) : tuner_config(method.peft_type, base, modules);
  if (lora) {
    config["rank_pattern"] = ranks;
    config["alpha_pattern"] = alphas;
  } else if (!ranks.empty() || !alphas.empty()) {
    return std::nullopt;  // the other types have one rank
  }
  if (method.peft_keys != nullptr && !method.peft_keys(adapters, &config)) return std::nullopt;
  return config;
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
  const auto add = [&](const std::string& key, const Tensor& value) {
    keep.push_back(value.detach().to(at::kFloat).contiguous());
    bytes.push_back(tensor_bytes(key, keep.back()));
  };
  for (size_t p = 0; p < adapters.specs().size(); ++p) {
    if (adapters.specs()[p].use != Use::seeded) add(peft_key(adapters.specs()[p]), adapters.param(p));
  }
  std::vector<Site> sites = adapters.sites();
  for (Site& site : adapters.method().pairs ? silent_down_sites(adapters, shape) : std::vector<Site>()) {
    for (const SiteMember& one : site.members) {
      add(kPeftPrefix + one.path + ".lora_A.weight", at::zeros({one.rank, site.in}));
      add(kPeftPrefix + one.path + ".lora_B.weight", at::zeros({site.out, one.rank}));
    }
    sites.push_back(std::move(site));
  }
  write_safetensors(folder / kTensors, std::move(bytes), {{"format", "pt"}});
  if (const auto config = peft_config(adapters, sites, origin.base_path)) write_text_atomic(folder / kConfig, dump_json(*config, 2) + "\n");
  Json ours{{"format", kFormat},
            {"version", HELLORA_VERSION},
            {"method", std::string(adapters.method().name)},
            {"plan", plan_to_json(origin.plan)}};
  ours["settings"] = adapter_settings(adapters);
  ours["seed"] = adapters.seed();
  if (const std::string hash = seeded_hash(adapters); !hash.empty()) ours["seeded_hash"] = hash;
  if (!adapters.method().pairs) ours["base"] = origin.base_path;
  ours["model_hash"] = origin.model_hash;
  ours["model"] = shape_note(shape);
  ours["data_format"] = origin.data_format;
  ours["train_on"] = origin.train_on;
  ours["chat_template"] = origin.chat_template;
  ours["run"] = origin.run;
  write_text_atomic(folder / kOurs, dump_json(ours, 1) + "\n");
}

namespace {

/// PEFT's layout: pairs of one module each, or fused.
std::unique_ptr<AdapterSet> read_pair_adapter(const Path& folder, const ModelShape& shape, const AdapterOrigin& origin,
                                              at::ScalarType dtype) {
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
  AdapterConfig config = peft.settings();
  if (!origin.plain) {  // its own settings; what both files say is taken from PEFT's
    config.own = read_adapter_settings(origin.settings, origin.method, (folder / kOurs).string() + ": settings").own;
    const bool root = find_method(config.method).scale == ScaleLaw::root_rank,
               own = find_method(origin.method).scale == ScaleLaw::root_rank;
    if (root != own && !origin.settings.empty())
      throw FormatError((folder / kConfig).string() + ": use_rslora does not fit the method of hellora.json, " + origin.method);
    if (root == own) config.method = origin.method;
  }
  auto adapters = std::make_unique<AdapterSet>(sites_of(found, shape, config), config, origin.seed, BaseWeight(), dtype, Fill::stored);
  copy_values(found, file.path().string(), *adapters);
  return adapters;
}

}  // namespace

LoadedAdapter read_adapter(const Path& folder, const ModelShape& shape, at::ScalarType dtype) {
  LoadedAdapter loaded;
  loaded.origin = read_origin(folder);
  check_shape(loaded.origin, shape, folder);
  const AdapterOrigin& origin = loaded.origin;
  if (find_method(origin.method).pairs) {
    loaded.adapters = read_pair_adapter(folder, shape, origin, dtype);
  } else {
    const AdapterConfig config = read_adapter_settings(origin.settings, origin.method, (folder / kOurs).string() + ": settings");
    loaded.adapters = read_declared_adapter(folder / kTensors, shape, config, origin, dtype);
  }
  return loaded;
}

}  // namespace hellora
