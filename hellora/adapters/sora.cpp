// SoRA: LoRA with a trained gate on each rank, which an L1 term and a proximal step drive to zero: ranks are learned
// (Ding et al. 2023; laws of TsinghuaC3I/SoRA). A rank whose gate is zero changes nothing and leaves an exported file.
#include "hellora/adapters/lora.h"
#include "hellora/adapters/pruning.h"
#include "hellora/adapters/row.h"

namespace hellora {
namespace {

constexpr const char* kName = "sora";

std::string name_of_gate(const SiteMember& one) { return one.path + ".sora_gate"; }

class Sora : public Adapter {
 public:
  Sora(const Site& site, const AdapterConfig& config, const Lookup& param) : Adapter(site) {
    for (size_t m = 0; m < site.members.size(); ++m) {
      const SiteMember& one = site.members[m];
      parts_.push_back({param(name_of_A(site, m)), param(name_of_B(site, m)), config.scale(one.rank, one.alpha), param(name_of_gate(one))});
    }
  }

  Part part(size_t m) const override { return parts_[m]; }

 private:
  std::vector<LowRank> parts_;
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  std::vector<ParamSpec> specs = pair_params(sites, config, Use::trained);
  for (size_t s = 0; s < sites.size(); ++s) {
    for (size_t m = 0; m < sites[s].members.size(); ++m) {
      const SiteMember& one = sites[s].members[m];
      specs.push_back({name_of_gate(one), {one.rank}, init::normal(1), Place{s, m}, Use::trained, false});
    }
  }
  return specs;
}

}  // namespace

extern const Method kSora = {
    .name = kName,
    .summary = "LoRA with a gate on each rank; ranks that do not pay are pruned while training",
    .source = "Ding et al. 2023, arXiv 2311.11696",
    .params = params,
    .make = make_adapter<Sora>,
    .settings =
        [] {
          return std::any(PruningSettings{10, 3e-4, false});
        },
    .fields = [](std::any* any) { return pruning_fields(std::any_cast<PruningSettings>(any), kName); },
    .hooks = [](AdapterSet& adapters) { return prune_gates(adapters, ".sora_gate", adapters.config().settings<PruningSettings>(kName)); },
};

}  // namespace hellora
