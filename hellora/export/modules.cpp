#include "hellora/export/modules.h"

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

}  // namespace hellora
