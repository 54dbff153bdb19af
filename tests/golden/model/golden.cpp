#include "tests/golden/model/golden.h"

#include <algorithm>

#include "hellora/core/error.h"
#include "hellora/model/adapter_dir.h"
#include "hellora/model/sites.h"
#include "hellora/model/tensor_io.h"

namespace hellora::testing {
namespace fs = std::filesystem;
namespace {

constexpr const char *kRoot = "tests/golden/fixtures", *kFile32 = "golden_f32.safetensors", *kFile64 = "golden_f64.safetensors";

CaseKind kind_of(const Path& folder, bool values) {
  if (fs::exists(folder / "config.json")) return values ? CaseKind::model : CaseKind::layout;
  return fs::exists(folder / "adapter_config.json") ? CaseKind::adapter : CaseKind::full;
}

}  // namespace

std::vector<Path> golden_cases(CaseKind kind, const std::string& prefix) {
  std::vector<Path> found;
  if (!fs::is_directory(kRoot)) return found;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot)) {
    if (!entry.is_directory()) continue;
    const bool values = fs::exists(entry.path() / kFile64), model = fs::exists(entry.path() / "config.json");
    if ((!values && !model) || kind_of(entry.path(), values) != kind) continue;
    if (values && GoldenFile(entry.path(), at::kDouble).names(prefix).empty()) continue;
    found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<Path> training_cases() {
  std::vector<Path> found = golden_cases(CaseKind::adapter, "loss.step");
  const std::vector<Path> full = golden_cases(CaseKind::full, "loss.step");
  found.insert(found.end(), full.begin(), full.end());
  return found;
}

GoldenFile::GoldenFile(const Path& folder, at::ScalarType dtype)
    : file_(folder / (dtype != at::kDouble && fs::exists(folder / kFile32) ? kFile32 : kFile64)), dtype_(dtype) {}

Tensor GoldenFile::get(const std::string& name) const {
  const TensorInfo* info = file_.find(name);
  if (info == nullptr) throw FormatError(file_.path().string() + ": golden tensor " + name + " is missing");
  const Tensor value = read_tensor(*info, file_.bytes(*info));
  return value.is_floating_point() ? value.to(dtype_) : value;
}

std::vector<std::string> GoldenFile::names(const std::string& prefix) const {
  std::vector<std::string> out;
  for (const TensorInfo& info : file_.tensors()) {
    if (info.name.starts_with(prefix)) out.push_back(info.name.substr(prefix.size()));
  }
  return out;
}

Path model_folder(const Path& folder) {
  Path at = folder;
  while (!fs::exists(at / "config.json") && at != Path(kRoot)) at = at.parent_path();
  return at;
}

Tensor GoldenBatch::rows(const Tensor& padded) const {
  std::vector<Tensor> parts;
  for (size_t r = 0; r < lengths.size(); ++r) parts.push_back(padded.select(0, static_cast<int64_t>(r)).narrow(0, 0, lengths[r]));
  return at::cat(parts);
}

GoldenBatch golden_batch(const Path& folder, at::ScalarType dtype) {
  const GoldenFile golden(model_folder(folder), dtype);
  const Tensor ids = golden.get("input_ids"), labels = golden.get("labels"), lengths = golden.get("lengths");
  GoldenBatch out;
  std::vector<std::vector<int64_t>> documents;
  for (int64_t r = 0; r < lengths.size(0); ++r) {
    const auto length = lengths[r].item<int64_t>();
    out.lengths.push_back(length);
    documents.emplace_back();
    for (int64_t p = 0; p < length; ++p) {
      documents.back().push_back(ids[r][p].item<int64_t>());
      out.train.targets_T.push_back(p + 1 < length ? labels[r][p + 1].item<int64_t>() : kIgnore);
    }
  }
  out.train.batch = make_batch(documents);
  return out;
}

Subject load_base(const Path& folder, at::ScalarType dtype) {
  Subject subject;
  subject.checkpoint = std::make_unique<Checkpoint>(model_folder(folder));
  subject.decoder = load_decoder(*subject.checkpoint, {dtype, dtype});
  return subject;
}

Subject load_subject(const Path& folder, at::ScalarType dtype) {
  Subject subject = load_base(folder, dtype);
  const ModelShape& shape = subject.decoder->shape();
  if (fs::exists(folder / "adapter_config.json")) {
    subject.adapters = std::move(read_adapter(folder, shape, dtype).adapters);
    subject.adapters->enable_grad();
    subject.key_prefix = kPeftPrefix;
  } else {
    AdapterConfig config;
    config.method = "full";
    config.targets = every_target(shape);
    const BaseWeight base = [&](const std::string& name) { return base_weight(*subject.checkpoint, shape, name); };
    subject.adapters = std::make_unique<AdapterSet>(find_sites(shape, config, all_experts(shape)), config, 0, base, dtype);
  }
  subject.decoder->bind(subject.adapters.get());
  return subject;
}

std::string param_name(const ::testing::TestParamInfo<Param>& info) {
  std::string name = std::get<0>(info.param).lexically_relative(kRoot).string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name + (std::get<1>(info.param) == at::kDouble ? "_fp64" : "_fp32");
}

}  // namespace hellora::testing
