// S2-LoRA: one trained pair per shape of map for the whole model, and per map a sparse vector of coefficients over its ranks:
// ΔW = B diag(s) A (arXiv 2309.11756). The paper leaves the sparse step and the start open: L1 and SoRA's proximal step, s = 0.
#include <set>

#include "hellora/adapters/lora.h"
#include "hellora/adapters/pruning.h"
#include "hellora/adapters/row.h"

namespace hellora {
namespace {

constexpr const char* kName = "s2_lora";

std::string shape_class(const Site& site) { return "s2." + std::to_string(site.out) + "x" + std::to_string(site.in); }

class S2Lora : public Adapter {
 public:
  S2Lora(const Site& site, const AdapterConfig&, const Lookup& param) : Adapter(site) {
    const Tensor &a_RI = param(shape_class(site) + ".A"), &b_OR = param(shape_class(site) + ".B");
    for (const SiteMember& one : site.members) parts_.push_back({a_RI, b_OR, 1.0, param(one.path + ".s2_s")});
  }

  Part part(size_t m) const override { return parts_[m]; }

 private:
  std::vector<LowRank> parts_;
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  std::vector<ParamSpec> specs;
  std::set<std::string> there;
  for (size_t s = 0; s < sites.size(); ++s) {
    const Site& site = sites[s];
    require_matrix(site, config);
    require_one_rank(site, config);
    if (there.insert(shape_class(site)).second) {
      specs.push_back({.name = shape_class(site) + ".A", .shape = {config.rank, site.in}, .init = init::kaiming(site.in), .place = {}});
      specs.push_back(
          {.name = shape_class(site) + ".B", .shape = {site.out, config.rank}, .init = init::kaiming(config.rank), .place = {}});
    }
    for (size_t m = 0; m < site.members.size(); ++m)
      specs.push_back({site.members[m].path + ".s2_s", {config.rank}, init::zeros(), Place{s, m}, Use::trained, false});
  }
  return specs;
}

}  // namespace

extern const Method kS2Lora = {
    .name = kName,
    .summary = "one trained pair per shape for all experts and layers; a sparse vector per map",
    .source = "arXiv 2309.11756; sparse step and start are this project's",
    .scale = ScaleLaw::one,
    .params = params,
    .make = make_adapter<S2Lora>,
    .settings =
        [] {
          return std::any(PruningSettings{0.1, 1e-5, false});
        },
    .fields = [](std::any* any) { return pruning_fields(std::any_cast<PruningSettings>(any), kName); },
    .hooks = [](AdapterSet& adapters) { return prune_gates(adapters, ".s2_s", adapters.config().settings<PruningSettings>(kName)); },
};

}  // namespace hellora
