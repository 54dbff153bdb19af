#include "hellora/export/modules.h"

#include <cmath>

#include "hellora/core/error.h"
#include "hellora/core/finite.h"
#include "hellora/model/stored.h"

namespace hellora {

Modules modules_by_path(const AdapterSet& adapters) {
  Modules modules;
  for (const Site& site : adapters.sites()) {
    for (size_t m = 0; m < site.members.size(); ++m) modules[site.members[m].path] = {&site, m, adapters.find(site.layer, site.slot)};
  }
  return modules;
}

Tensor weight_change(const Module& module) {
  // An embedding's weight is (in, out), every other linear map's (out, in).
  const bool embedding = module.site->slot == Slot::embed;
  const std::vector<int64_t> sizes =
      embedding ? std::vector<int64_t>{module.site->in, module.site->out} : std::vector<int64_t>{module.site->out, module.site->in};
  const Part part = module.adapter->part(module.member);
  const auto* low_rank = std::get_if<LowRank>(&part);
  const auto dtype = low_rank != nullptr ? low_rank->A_RI.scalar_type() : at::kFloat;
  return module.adapter->adapted_rows(at::zeros(sizes, at::TensorOptions(dtype)), 0, module.member);
}

void require_finite(const AdapterSet& adapters, const std::string& where) {
  for (size_t p = 0; p < adapters.specs().size(); ++p) {
    const Tensor bad = at::logical_not(at::isfinite(adapters.param(p).detach()));
    if (!bad.any().item<bool>()) continue;
    const auto element = bad.flatten().to(at::kByte).argmax().item<int64_t>();
    const int64_t width = adapters.specs()[p].shape.size() > 1 ? adapters.specs()[p].shape.back() : bad.numel();
    throw CheckFailed(where + ": tensor " + adapters.specs()[p].name + ", row " + std::to_string(element / width) +
                      ", holds a value that is not finite");
  }
  for (const auto& [path, module] : modules_by_path(adapters)) {
    const Part what = module.adapter->part(module.member);
    const auto* scaled = std::get_if<Scaled>(&what);
    const auto* part = scaled != nullptr ? &scaled->low_rank : std::get_if<LowRank>(&what);
    if (part != nullptr) finite(static_cast<float>(part->scale), where + ": the scale (alpha / r) of " + path);
  }
}

double change_norm(const std::string& path, const Module& module, const BaseWeight& base) {
  const auto checked = [&](double sum) {
    return finite(static_cast<double>(static_cast<float>(std::sqrt(sum))), path + ": the norm of the weight change");
  };
  if (!module.adapter->additive()) {
    const Tensor weight = base(module.site->parameter(module.member)).to(at::kFloat);
    return checked((module.adapted_rows(weight, 0).to(at::kDouble) - weight.to(at::kDouble)).square().sum().item<double>());
  }
  const bool embedding = module.site->slot == Slot::embed;
  const int64_t rows = embedding ? module.site->in : module.site->out, width = embedding ? module.site->out : module.site->in;
  const int64_t step = std::max<int64_t>(1, kPiece / width);
  double sum = 0;
  for (int64_t first = 0; first < rows; first += step) {
    const Tensor zero = at::zeros({std::min(step, rows - first), width}, at::TensorOptions(at::kFloat));
    sum += module.adapted_rows(zero, first).to(at::kDouble).square().sum().item<double>();
  }
  return checked(sum);
}

void ChangeDifference::note(const std::string& path, double relative) {
  if (!std::isfinite(relative)) relative = INFINITY;
  if (relative <= largest) return;
  largest = relative;
  where = path;
}

}  // namespace hellora
