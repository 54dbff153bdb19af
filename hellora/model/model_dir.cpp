#include "hellora/model/model_dir.h"

#include <cmath>
#include <map>
#include <set>

#include "hellora/core/error.h"
#include "hellora/core/json_text.h"
#include "hellora/io/paths.h"
#include "hellora/io/staged_folder.h"
#include "hellora/model/model_files.h"
#include "hellora/model/stored.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::string_view kWeight = ".weight";

Dtype written_dtype(Dtype dtype, bool fp32) { return fp32 && (dtype == Dtype::bf16 || dtype == Dtype::f16) ? Dtype::f32 : dtype; }

/// Memory for one tensor, given back to the system at once: torch's allocator would keep it beside the next tensor.
Tensor passing_tensor(int64_t count, at::ScalarType dtype) {
  auto* data = new std::byte[static_cast<size_t>(count) * at::elementSize(dtype)];
  return at::from_blob(
      data, {count}, [](void* memory) { delete[] static_cast<std::byte*>(memory); }, at::TensorOptions(dtype));
}

/// The tensor as it is to be written.
Tensor rewritten(const Checkpoint& checkpoint, const TensorInfo& info, const std::vector<Piece>& pieces, const Path& out,
                 const Rewrite& rewrite) {
  const Tensor values = passing_tensor(info.count(), torch_dtype(written_dtype(info.dtype, rewrite.fp32)));
  for (const Piece& piece : pieces) {
    const Tensor base = read_elements(checkpoint, info.name, piece.first, piece.count).view({piece.rows(), piece.width});
    drop_elements(checkpoint, info.name, piece.first, piece.count);
    const Tensor place = values.narrow(0, piece.first, piece.count).view({piece.rows(), piece.width});
    if (piece.parameter.empty() || !rewrite.wanted(piece.parameter)) {
      place.copy_(base);
      continue;
    }
    place.copy_(rewrite.values(piece, base));
    require_finite(place, base, piece, out.string());
  }
  return values.view(info.shape);
}

/// One file of the model: the same tensors in the same file.
void rewrite_file(const Checkpoint& checkpoint, const ModelShape& shape, const SafetensorsFile& file, const Path& out,
                  const Rewrite& rewrite) {
  std::vector<TensorInfo> infos = file.tensors();
  for (TensorInfo& info : infos) info.dtype = written_dtype(info.dtype, rewrite.fp32);
  SafetensorsWriter writer(out, infos, file.metadata());
  for (const TensorInfo& target : writer.order()) {
    const TensorInfo& source = *file.find(target.name);
    const std::vector<Piece> pieces = pieces_of(shape, target.name, source.shape);
    const bool touched = std::any_of(pieces.begin(), pieces.end(),
                                     [&](const Piece& piece) { return !piece.parameter.empty() && rewrite.wanted(piece.parameter); });
    if (touched || source.dtype != target.dtype) {
      writer.append(target.name, raw_bytes(rewritten(checkpoint, source, pieces, out, rewrite)));
    } else {
      writer.append(target.name, file.bytes(source));  // straight from the map
    }
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
  write_text_atomic(out / "config.json", dump_json(config, 2) + "\n");
}

/// The index again, with its total size.
void write_index(const Checkpoint& source, const Path& out) {
  if (!is_file(source.folder() / kIndex)) return;
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
  write_text_atomic(out / kIndex, dump_json(index, 2) + "\n");
}

/// The rows of one parameter, at most kPiece elements at a time.
void cut_rows(const std::string& parameter, int64_t first, int64_t count, int64_t width, std::vector<Piece>& pieces) {
  const int64_t step = std::max<int64_t>(1, kPiece / std::max<int64_t>(1, width)) * width;
  for (int64_t done = 0; done < count; done += step) {
    pieces.push_back({parameter, first + done, std::min(step, count - done), done / width, width});
  }
}

}  // namespace

std::string Piece::module() const {
  return parameter.ends_with(kWeight) ? parameter.substr(0, parameter.size() - kWeight.size()) : std::string();
}

std::vector<Piece> pieces_of(const ModelShape& shape, const std::string& name, const std::vector<int64_t>& sizes) {
  const Tensor outline = at::empty(sizes, at::TensorOptions(at::kFloat).device(at::kMeta));
  std::vector<Piece> parts, pieces;
  const bool known = for_each_parameter(shape, name, outline, [&](const std::string& parameter, const Tensor& view) {
    parts.push_back({parameter, view.storage_offset(), view.numel(), 0, view.dim() > 1 ? view.size(-1) : view.numel()});
  });
  if (!known) parts.push_back({"", 0, outline.numel(), 0, outline.dim() > 1 ? outline.size(-1) : outline.numel()});
  for (const Piece& part : parts) {
    if (part.count > 0) cut_rows(part.parameter, part.first, part.count, part.width, pieces);
  }
  return pieces;
}

void require_finite(const Tensor& values, const Tensor& base, const Piece& piece, const std::string& where) {
  const Tensor bad = at::logical_and(at::isfinite(base), at::logical_not(at::isfinite(values)));
  if (!bad.any().item<bool>()) return;
  const auto element = bad.flatten().to(at::kByte).argmax().item<int64_t>();
  const auto value = values.flatten()[element].item<double>();
  throw CheckFailed(where + ": " + piece.parameter + ", row " + std::to_string(piece.row + element / piece.width) + ": the new value is " +
                    (std::isnan(value) ? "nan"
                     : value > 0       ? "inf"
                                       : "-inf") +
                    " where the model's is finite");
}

void rewrite_model(const Checkpoint& source, const ModelShape& shape, const Path& out, const Rewrite& rewrite) {
  const at::NoGradGuard no_grad;
  if (same_place(source.folder(), out)) throw ConfigError(out.string() + ": the output folder is the model's own; choose another");
  make_folder(out);
  copy_model_files(source.folder(), out);
  for (const auto& file : source.files()) rewrite_file(source, shape, *file, out / file->path().filename(), rewrite);
  write_index(source, out);
  write_config(source, out, rewrite.fp32);
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

void write_full_model(const Checkpoint& source, const ModelShape& shape, const AdapterSet& adapters, const Path& out) {
  std::map<std::string, Tensor> trained;
  for (size_t p = 0; p < adapters.specs().size(); ++p) trained[adapters.specs()[p].name] = adapters.param(p).detach();
  if (same_place(source.folder(), out)) throw ConfigError(out.string() + ": the output folder is the model's own; choose another");
  // A tied head that is stored as well is written as the embedding's copy again.
  const Arch& arch = find_arch(shape.arch, out.string());
  const std::string head = parameter_name(arch, Slot::lm_head, -1), embed = parameter_name(arch, Slot::embed, -1);
  const auto source_of = [&](const std::string& parameter) { return shape.tied_embeddings && parameter == head ? embed : parameter; };
  std::set<std::string> used;
  Rewrite rewrite;
  rewrite.wanted = [&](const std::string& parameter) { return trained.contains(source_of(parameter)); };
  rewrite.values = [&](const Piece& piece, const Tensor&) {
    used.insert(source_of(piece.parameter));
    return trained.at(source_of(piece.parameter))
        .flatten()
        .narrow(0, piece.row * piece.width, piece.count)
        .view({piece.rows(), piece.width});
  };
  write_staged(out, true, [&](const Path& folder) { rewrite_model(source, shape, folder, rewrite); });
  HELLORA_CHECK(used.size() == trained.size(), "every trained tensor has a place in the model");
}

}  // namespace hellora
