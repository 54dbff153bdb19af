#include "hellora/model/model_dir.h"

#include <filesystem>
#include <map>
#include <set>

#include "hellora/core/error.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

namespace fs = std::filesystem;

/// One file of the model: the same tensors in the same file.
void rewrite_file(const SafetensorsFile& file, const Path& out, bool fp32, const Replace& replace) {
  std::vector<TensorInfo> infos = file.tensors();
  for (TensorInfo& info : infos) {
    const bool floating = info.dtype == Dtype::bf16 || info.dtype == Dtype::f16;
    if (fp32 && floating) info.dtype = Dtype::f32;
  }
  SafetensorsWriter writer(out, infos, file.metadata());
  for (const TensorInfo& target : writer.order()) {
    const TensorInfo& source = *file.find(target.name);
    const Tensor replaced = replace(target.name, source);
    const Tensor value =
        (replaced.defined() ? replaced : read_tensor(source, file.bytes(source))).to(torch_dtype(target.dtype)).contiguous();
    HELLORA_CHECK(value.sizes().vec() == target.shape, "a replacement keeps its tensor's shape");
    writer.append(target.name, raw_bytes(value));
    file.drop(source);
  }
  writer.commit();
}

void write_config(const Checkpoint& source, const Path& out, bool fp32) {
  Json config = source.config();
  if (fp32) {
    for (const char* key : {"torch_dtype", "dtype"}) {
      if (config.contains(key)) config[key] = "float32";
    }
  }
  write_text_atomic(out / "config.json", config.dump(2) + "\n");
}

/// The index again, with its total size.
void write_index(const Checkpoint& source, const Path& out) {
  if (!fs::exists(source.folder() / "model.safetensors.index.json")) return;
  Json map = Json::object();
  uint64_t total = 0;
  for (const auto& file : source.files()) {
    const SafetensorsFile written(out / file->path().filename());
    for (const TensorInfo& info : written.tensors()) {
      map[info.name] = file->path().filename().string();
      total += info.end - info.begin;
    }
  }
  const Json index{{"metadata", {{"total_size", total}}}, {"weight_map", map}};
  write_text_atomic(out / "model.safetensors.index.json", index.dump(2) + "\n");
}

bool copied_as_is(const Path& path) {
  const std::string name = path.filename().string();
  if (name == "config.json" || name == "model.safetensors.index.json") return false;
  return path.extension() == ".json" || path.extension() == ".txt" || path.extension() == ".model" || path.extension() == ".jinja";
}

}  // namespace

void rewrite_model(const Checkpoint& source, const Path& out, bool fp32, const Replace& replace) {
  make_folder(out);
  std::error_code same;
  if (fs::equivalent(source.folder(), out, same))
    throw ConfigError(out.string() + ": the output folder is the model's own; choose another");
  for (const auto& entry : fs::directory_iterator(source.folder())) {
    if (entry.is_regular_file() && copied_as_is(entry.path())) write_text_atomic(out / entry.path().filename(), read_text(entry.path()));
  }
  for (const auto& file : source.files()) rewrite_file(*file, out / file->path().filename(), fp32, replace);
  write_index(source, out);
  write_config(source, out, fp32);
}

bool for_each_parameter(const ModelShape& shape, const std::string& name, const Tensor& tensor,
                        const std::function<void(const std::string& parameter, Tensor view)>& visit) {
  const Arch& arch = find_arch(shape.arch, name);
  for (const int64_t layer : routed_layers(shape)) {
    if (!arch.fused_router.empty() && fill_pattern(arch.fused_router, layer, -1) + ".weight" == name) {
      visit(parameter_name(arch, Slot::router, layer), tensor);
      return true;
    }
    const bool gate_up = fill_pattern(arch.fused_gate_up, layer, -1) == name;
    if (!gate_up && fill_pattern(arch.fused_down, layer, -1) != name) continue;
    for (int64_t e = 0; e < shape.experts; ++e) {
      const Tensor one = tensor.select(0, e);
      if (!gate_up) {
        visit(parameter_name(arch, Slot::down, layer, e), one);
        continue;
      }
      visit(parameter_name(arch, Slot::gate, layer, e), one.narrow(0, 0, shape.expert_width));
      visit(parameter_name(arch, Slot::up, layer, e), one.narrow(0, shape.expert_width, shape.expert_width));
    }
    return true;
  }
  if (!name.ends_with(".weight") && !name.ends_with(".bias")) return false;
  visit(name, tensor);
  return true;
}

bool for_each_module(const ModelShape& shape, const std::string& name, const Tensor& tensor,
                     const std::function<void(const std::string& path, Tensor view)>& visit) {
  constexpr std::string_view kWeight = ".weight";
  return for_each_parameter(shape, name, tensor, [&](const std::string& parameter, const Tensor& view) {
    if (parameter.ends_with(kWeight)) visit(parameter.substr(0, parameter.size() - kWeight.size()), view);
  });
}

void write_full_model(const Checkpoint& source, const ModelShape& shape, const AdapterSet& adapters, const Path& out) {
  std::map<std::string, Tensor> trained;
  for (size_t p = 0; p < adapters.specs().size(); ++p) trained[adapters.specs()[p].name] = adapters.param(p).detach();
  // A tied head that is stored as well is written as the embedding's copy again.
  const Arch& arch = find_arch(shape.arch, out.string());
  const std::string head = parameter_name(arch, Slot::lm_head, -1), embed = parameter_name(arch, Slot::embed, -1);
  std::set<std::string> used;
  rewrite_model(source, out, false, [&](const std::string& name, const TensorInfo& info) {
    Tensor value = read_tensor(info, source.bytes(name), at::kFloat);
    bool touched = false;
    for_each_parameter(shape, name, value, [&](const std::string& parameter, const Tensor& view) {
      const auto it = trained.find(shape.tied_embeddings && parameter == head ? embed : parameter);
      if (it == trained.end()) return;
      view.copy_(it->second);
      touched = true;
      used.insert(it->first);
    });
    return touched ? value : Tensor();
  });
  HELLORA_CHECK(used.size() == trained.size(), "every trained tensor has a place in the model");
}

}  // namespace hellora
