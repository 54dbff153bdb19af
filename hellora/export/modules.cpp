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
  const LowRank* part = module.adapter->low_rank(module.member);
  const auto dtype = part != nullptr ? part->A_RI.scalar_type() : at::kFloat;
  return module.adapter->adapted_weight(at::zeros(sizes, at::TensorOptions(dtype)), module.member);
}

Tensor adapted_rows(const Module& module, const Tensor& base_rows, int64_t first) {
  const at::NoGradGuard no_grad;
  const bool embedding = module.site->slot == Slot::embed;
  const int64_t rows = base_rows.size(0), all = embedding ? module.site->in : module.site->out;
  if (rows == all) return module.adapter->adapted_weight(base_rows, module.member);
  const LowRank* part = module.adapter->low_rank(module.member);
  HELLORA_CHECK(part != nullptr, "only low-rank adapters are folded in by rows");
  const auto dtype = base_rows.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  // A product with few rows takes another path than the whole one and rounds otherwise: so many are computed at least.
  constexpr int64_t kLeastRows = 256;
  const int64_t count = std::max(rows, std::min(kLeastRows, all)), from = std::min(first, all - count);
  const Tensor b_OR = part->whole_B();
  const Tensor change =
      embedding ? at::matmul(b_OR, part->A_RI.narrow(1, from, count)).t() : at::matmul(b_OR.narrow(0, from, count), part->A_RI);
  return base_rows.to(dtype) + change.narrow(0, first - from, rows).to(dtype) * part->scale;
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
    const LowRank* part = module.adapter->low_rank(module.member);
    if (part != nullptr) finite(static_cast<float>(part->scale), where + ": the scale (alpha / r) of " + path);
  }
}

double change_norm(const std::string& path, const Module& module) {
  const bool embedding = module.site->slot == Slot::embed;
  const int64_t rows = embedding ? module.site->in : module.site->out, width = embedding ? module.site->out : module.site->in;
  const int64_t step = std::max<int64_t>(1, kPiece / width);
  double sum = 0;
  for (int64_t first = 0; first < rows; first += step) {
    const Tensor zero = at::zeros({std::min(step, rows - first), width}, at::TensorOptions(at::kFloat));
    sum += adapted_rows(module, zero, first).to(at::kDouble).square().sum().item<double>();
  }
  return finite(static_cast<double>(static_cast<float>(std::sqrt(sum))), path + ": the norm of the weight change");
}

void ChangeDifference::note(const std::string& path, double relative) {
  if (!std::isfinite(relative)) relative = INFINITY;
  if (relative <= largest) return;
  largest = relative;
  where = path;
}

}  // namespace hellora
