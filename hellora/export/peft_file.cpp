#include "hellora/export/peft_file.h"

#include <cmath>

#include "hellora/core/error.h"
#include "hellora/core/json_object.h"
#include "hellora/core/json_text.h"
#include "hellora/io/dtype.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

constexpr const char* kTensors = "adapter_model.safetensors";
constexpr const char* kConfig = "adapter_config.json";

std::string factor_name(const PairPlace& place, char factor) {
  std::string name(kPeftPrefix);
  name.append(place.path).append(place.embedding ? ".lora_embedding_" : ".lora_").append(1, factor);
  return place.embedding ? name : name.append(".weight");
}

std::string shape_text(const std::vector<int64_t>& shape) { return dump_json(Json(shape)); }

/// Whether one of PEFT's names, a whole path or its end, means this one.
bool names(const std::vector<std::string>& targets, const std::string& path) {
  return std::any_of(targets.begin(), targets.end(),
                     [&](const std::string& target) { return path == target || path.ends_with(std::string(".").append(target)); });
}

/// The settings without what only exports have: those are read here.
PeftConfig read_settings(Json config, const std::string& where, std::vector<std::string>& parameters, std::vector<std::string>& modules) {
  JsonObject object(config, where);
  if (const Json* list = object.find("target_parameters"); list != nullptr && !is_inert(*list))
    parameters = object.texts("target_parameters");
  if (const Json* list = object.find("target_modules"); list != nullptr && !is_inert(*list)) modules = object.texts("target_modules");
  for (const char* key : {"layers_to_transform", "layers_pattern", "exclude_modules"}) {
    object.refuse(key, "an export names its modules themselves");
  }
  config.erase("target_parameters");
  return parse_peft_config(config, where);
}

}  // namespace

void write_factors(const Path& folder, std::vector<PendingTensor> tensors, at::ScalarType dtype) {
  std::map<std::string, const PendingTensor*> by_name;
  std::vector<TensorInfo> infos;
  for (const PendingTensor& one : tensors) {
    TensorInfo info;
    info.name = kPeftPrefix + one.name;
    info.dtype = file_dtype(dtype);
    info.shape = one.shape;
    by_name[info.name] = &one;
    infos.push_back(std::move(info));
  }
  SafetensorsWriter writer(folder / kTensors, std::move(infos), {{"format", "pt"}});
  for (const TensorInfo& info : writer.order()) {
    const Tensor value = by_name.at(info.name)->make().to(dtype).contiguous();
    HELLORA_CHECK(value.sizes().vec() == info.shape, "a factor has the shape that was declared: " + info.name);
    if (!at::isfinite(value).all().item<bool>()) {
      throw CheckFailed(folder.string() + ": tensor " + info.name + " would not be finite as " + dtype_name(info.dtype));
    }
    writer.append(info.name, raw_bytes(value));
  }
  writer.commit();
}

PeftFile::PeftFile(const Path& folder) : where_((folder / kConfig).string()), file_(folder / kTensors) {
  config_ = read_settings(parse_json(read_text(folder / kConfig), where_), where_, parameters_, modules_);
}

bool PeftFile::contains(const PairPlace& place) const {
  return file_.find(factor_name(place, 'A')) != nullptr || file_.find(factor_name(place, 'B')) != nullptr;
}

Tensor PeftFile::load(const std::string& name, const std::vector<int64_t>& shape, at::ScalarType* stored) {
  const TensorInfo* info = file_.find(name);
  const std::string place = file_.path().string() + ": tensor " + name;
  if (info == nullptr) throw FormatError(place + " is missing");
  if (!at::isFloatingType(torch_dtype(info->dtype))) {
    throw FormatError(place + " holds " + dtype_name(info->dtype) + "; expected BF16, F16, F32 or F64");
  }
  if (info->shape != shape) throw FormatError(place + " has shape " + shape_text(info->shape) + "; expected " + shape_text(shape));
  used_.insert(name);
  const Tensor value = read_tensor(*info, file_.bytes(*info));
  file_.drop(*info);
  const Tensor bad = at::logical_not(at::isfinite(value));
  if (bad.any().item<bool>()) {
    const auto element = bad.flatten().to(at::kByte).argmax().item<int64_t>();
    throw CheckFailed(place + ", row " + std::to_string(element / shape.back()) + ", holds a value that is not finite");
  }
  *stored = value.scalar_type();
  return value.to(at::kDouble);
}

FileChange PeftFile::pair(const PairPlace& place) {
  const int64_t rank = config_.rank_of(place.settings);
  const double alpha = config_.alpha_of(place.settings);
  FileChange change;
  at::ScalarType a_stored = at::kFloat;
  change.a_RI = load(factor_name(place, 'A'), {rank * place.experts, place.in}, &a_stored);
  change.b_OR = load(factor_name(place, 'B'), {place.out, rank * place.experts}, &change.stored);
  if (a_stored != change.stored) throw FormatError(file_.path().string() + ": the factors of " + place.path + " have different dtypes");
  change.scale = alpha / config_.settings().rank_factor(static_cast<double>(rank));
  change.embedding = place.embedding;
  return change;
}

bool PeftFile::has_parameter(const std::string& path) const { return names(parameters_, path); }

void PeftFile::require_target(const std::string& path) const {
  if (!names(modules_, path))
    throw CheckFailed(where_ + ": target_modules does not name " + path + ": a reader would leave its factors out");
}

void PeftFile::require_parameter(const std::string& path) const {
  if (!names(parameters_, path)) {
    throw CheckFailed(where_ + ": target_parameters does not name " + path + ": a reader would leave its factors out");
  }
}

void PeftFile::refuse_rest() const {
  for (const TensorInfo& info : file_.tensors()) {
    if (!used_.contains(info.name)) {
      throw FormatError(file_.path().string() + ": tensor " + info.name + " belongs to no module of this model and format");
    }
  }
}

}  // namespace hellora
