#include "hellora/export/merge.h"

#include <cmath>
#include <set>

#include "hellora/core/error.h"
#include "hellora/model/model_dir.h"
#include "hellora/model/tensor_io.h"

namespace hellora {
namespace {

/// Calls visit(path, module, view of the fp32 tensor) for every adapted module inside the tensor.
template <class Visit>
void visit_adapted(const ModelShape& shape, const Modules& modules, const std::string& name, const Tensor& value, const Visit& visit) {
  for_each_module(shape, name, value, [&](const std::string& path, const Tensor& view) {
    const auto it = modules.find(path);
    if (it != modules.end()) visit(path, it->second, view);
  });
}

double size_of(const Tensor& x) { return std::sqrt(x.to(at::kDouble).square().sum().item<double>()); }

/// A merge that could not be what the adapter says is refused before anything is written.
void check_mergeable(const Checkpoint& source, const ModelShape& shape, const Modules& modules) {
  std::set<std::string> held;
  for (const std::string& name : source.names()) {
    const Tensor outline = at::empty(source.info(name).shape, at::TensorOptions(at::kFloat).device(at::kMeta));
    for_each_module(shape, name, outline, [&](const std::string& path, const Tensor&) { held.insert(path); });
  }
  for (const auto& [path, module] : modules) {
    const std::string where = source.folder().string() + ": the adapter's module " + path;
    if (!held.contains(path)) throw StateError(where + " has no tensor in the model");
    if (module.site->slot == Slot::embed && shape.tied_embeddings) {
      throw StateError(where + " cannot be merged: the model's head is tied to the embedding and would change with it");
    }
  }
}

/// Sums over modules of the squared rounding error and the squared change.
struct Rounding {
  double error_sq = 0, change_sq = 0;
};

void add_rounding(const std::string& path, const Module& module, const Tensor& base, const Tensor& stored, Rounding& sum,
                  MergeReport& report) {
  const Tensor change = weight_change(module).to(at::kDouble);
  const double size = size_of(change);
  const double error = size_of(stored.to(at::kDouble) - base.to(at::kDouble) - change);
  sum.error_sq += error * error;
  sum.change_sq += size * size;
  if (size > 0 && error / size > report.largest_loss) {
    report.largest_loss = error / size;
    report.largest_where = path;
  }
}

void note_wrong(const std::string& name, int64_t elements, MergeReport& report) {
  report.wrong_bytes += elements;
  if (report.first_wrong.empty()) report.first_wrong = name;
}

}  // namespace

void merge_model(const Checkpoint& source, const ModelShape& shape, const AdapterSet& adapters, const Path& out, bool fp32) {
  const at::NoGradGuard no_grad;
  const Modules modules = modules_by_path(adapters);
  check_mergeable(source, shape, modules);
  rewrite_model(source, out, fp32, [&](const std::string& name, const TensorInfo& info) {
    const Tensor value = read_tensor(info, source.bytes(name), at::kFloat);
    bool touched = false;
    visit_adapted(shape, modules, name, value, [&](const std::string&, const Module& module, const Tensor& view) {
      view.copy_(module.adapter->adapted_weight(view, module.member));
      touched = true;
    });
    return touched ? value : Tensor();
  });
}

MergeReport check_merged(const Checkpoint& source, const ModelShape& shape, const AdapterSet& adapters, const Checkpoint& merged) {
  const at::NoGradGuard no_grad;
  const Modules modules = modules_by_path(adapters);
  MergeReport report;
  Rounding rounding;
  for (const std::string& name : source.names()) {
    if (!merged.contains(name) || merged.info(name).shape != source.info(name).shape) {
      note_wrong(name, 0, report);
      continue;
    }
    const Tensor base = read_tensor(source.info(name), source.bytes(name), at::kFloat);
    const Tensor stored = read_tensor(merged.info(name), merged.bytes(name));
    Tensor expected = base.clone();
    std::map<std::string, Tensor> bases, stores;
    for_each_module(shape, name, base, [&](const std::string& path, const Tensor& view) { bases[path] = view; });
    for_each_module(shape, name, stored, [&](const std::string& path, const Tensor& view) { stores[path] = view; });
    visit_adapted(shape, modules, name, expected, [&](const std::string& path, const Module& module, const Tensor& view) {
      view.copy_(module.adapter->adapted_weight(view, module.member));
      add_rounding(path, module, bases.at(path), stores.at(path), rounding, report);
      ++report.modules;
    });
    const int64_t wrong = at::ne(expected.to(stored.scalar_type()), stored).sum().item<int64_t>();
    if (wrong > 0) note_wrong(name, wrong, report);
    ++report.tensors;
    source.drop(name);
    merged.drop(name);
  }
  for (const std::string& name : merged.names()) {
    if (!source.contains(name)) note_wrong(name, 0, report);
  }
  if (report.modules != static_cast<int64_t>(modules.size())) note_wrong("modules missing from the model", 0, report);
  report.rounding_loss = rounding.change_sq > 0 ? std::sqrt(rounding.error_sq / rounding.change_sq) : 0;
  return report;
}

}  // namespace hellora
