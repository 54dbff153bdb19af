#include "hellora/model/declared_adapter.h"

#include <set>

#include "hellora/core/error.h"
#include "hellora/core/hash.h"
#include "hellora/core/json_object.h"
#include "hellora/core/printable.h"
#include "hellora/core/rng.h"
#include "hellora/core/text.h"
#include "hellora/model/adapter_file.h"
#include "hellora/model/sites.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

constexpr std::string_view kSection = "adapter.";

/// The fields that belong to one method: those that all share, and its own. What adapter_config.json says is said once.
std::vector<Field> fields_of(AdapterConfig* config) {
  if (find_method(config->method).pairs) return method_fields(config, config->method);
  std::vector<Field> fields;
  for (Field& field : adapter_fields(config)) {
    if (field.key != "adapter.method" && !of_another_method(*config, field.key)) fields.push_back(std::move(field));
  }
  return fields;
}

[[noreturn]] void fail(const Path& file, const std::string& name, const std::string& why) {
  throw FormatError(file.string() + ": tensor " + printable(name) + " " + why);
}

}  // namespace

Json adapter_settings(const AdapterSet& adapters) {
  AdapterConfig config = adapters.config();
  Json settings = Json::object();
  for (const Field& field : fields_of(&config)) settings[field.key.substr(kSection.size())] = join(field.get(), " ");
  return settings;
}

AdapterConfig read_adapter_settings(const Json& settings, const std::string& method, const std::string& where) {
  AdapterConfig config;
  config.method = method;
  JsonObject object(settings, where);
  for (const Field& field : fields_of(&config)) {
    const std::string key = field.key.substr(kSection.size());
    if (!object.has(key)) continue;
    const std::string text = object.text(key), place = where + ": " + key;
    try {
      const std::vector<std::string> values = field.is_list ? split(text, ' ') : std::vector<std::string>{text};
      field.set(values, place);
    } catch (const ConfigError& error) {
      throw FormatError(error.what());
    }
  }
  object.finish(Unknown::refuse);
  return config;
}

std::string seeded_hash(const AdapterSet& adapters) {
  uint64_t state = 0;
  bool any = false;
  for (size_t p = 0; p < adapters.specs().size(); ++p) {
    if (adapters.specs()[p].use != Use::seeded) continue;
    state = mix64(state, tensor_hash(adapters.param(p)));
    any = true;
  }
  return any ? hex64(state) : "";
}

std::unique_ptr<AdapterSet> read_declared_adapter(const Path& path, const ModelShape& shape, const AdapterConfig& config,
                                                  const AdapterOrigin& origin, at::ScalarType dtype) {
  auto adapters =
      std::make_unique<AdapterSet>(find_sites(shape, config, origin.plan), config, origin.seed, BaseWeight(), dtype, Fill::stored);
  const SafetensorsFile file(path);
  std::map<std::string, const TensorInfo*> there;
  for (const TensorInfo& info : file.tensors()) there.emplace(info.name, &info);
  for (size_t p = 0; p < adapters->specs().size(); ++p) {
    const ParamSpec& spec = adapters->specs()[p];
    if (spec.use == Use::seeded) continue;
    const std::string name = peft_key(spec);
    const auto it = there.find(name);
    if (it == there.end()) fail(path, name, "is missing");
    const TensorInfo& info = *it->second;
    if (!at::isFloatingType(torch_dtype(info.dtype))) fail(path, name, "is not of floating point");
    if (info.shape != spec.shape)
      fail(path, name,
           std::string("has the wrong shape: ").append(sizes_text(info.shape)).append("; expected ").append(sizes_text(spec.shape)));
    const Tensor value = read_tensor(info, file.bytes(info));
    if (!at::isfinite(value).all().item<bool>())
      throw CheckFailed(path.string() + ": tensor " + name + " holds values that are not finite");
    adapters->param(p).detach().copy_(value);
    there.erase(it);
  }
  if (!there.empty()) fail(path, there.begin()->first, "is none of " + config.method + "'s for this model and plan");
  // The hash is that of fp32 values, whatever they are made in.
  if (dtype == at::kFloat && seeded_hash(*adapters) != origin.seeded_hash) {
    throw FormatError(path.parent_path().string() + "/hellora.json: what seed " + std::to_string(origin.seed) + " makes has the hash \"" +
                      seeded_hash(*adapters) + "\", not \"" + printable(origin.seeded_hash) +
                      "\": the file was changed, or written by another version of hellora");
  }
  return adapters;
}

}  // namespace hellora
