// VeRA: one frozen random pair for the whole model, of which each map takes a corner, and two trained vectors per map:
// y = x Wᵀ + λ_b ⊙ ((λ_d ⊙ (x Aᵀ)) Bᵀ) (Kopiczko et al. 2024; names and laws of Hugging Face PEFT).
#include <algorithm>
#include <cmath>

#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"

namespace hellora {
namespace {

constexpr const char* kName = "vera";

struct Settings {
  double d_initial = 0.1;

  std::vector<Field> fields() {
    return {double_field("adapter.vera.d_initial", &d_initial, 1e-9, 1e3, "vera: where the vector over ranks begins")};
  }
};

class Vera : public Adapter {
 public:
  Vera(const Site& site, const AdapterConfig&, const Lookup& param) : Adapter(site) {
    const Tensor a_RI = param("vera_A").narrow(1, 0, site.in), b_OR = param("vera_B").narrow(0, 0, site.out);
    for (const SiteMember& one : site.members)
      parts_.push_back({a_RI, b_OR, 1.0, param(one.path + ".vera_lambda_d"), param(one.path + ".vera_lambda_b")});
  }

  Part part(size_t m) const override { return parts_[m]; }

 private:
  std::vector<LowRank> parts_;
};

/// Kaiming's uniform law with gain √2.
Init wide_uniform(int64_t fan_in) { return init::uniform(std::sqrt(6.0 / static_cast<double>(fan_in))); }

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  const Settings& own = config.settings<Settings>(kName);
  int64_t in = 0, out = 0;
  for (const Site& site : sites) {
    require_matrix(site, config);
    require_one_rank(site, config);
    in = std::max(in, site.in);
    out = std::max(out, site.out);
  }
  std::vector<ParamSpec> specs = {
      {.name = "vera_A", .shape = {config.rank, in}, .init = wide_uniform(in), .place = {}, .use = Use::frozen},
      {.name = "vera_B", .shape = {out, config.rank}, .init = wide_uniform(config.rank), .place = {}, .use = Use::frozen}};
  for (size_t s = 0; s < sites.size(); ++s) {
    for (size_t m = 0; m < sites[s].members.size(); ++m) {
      const std::string& path = sites[s].members[m].path;
      specs.push_back({path + ".vera_lambda_d", {config.rank}, init::constant(own.d_initial), Place{s, m}});
      specs.push_back({path + ".vera_lambda_b", {sites[s].out}, init::zeros(), Place{s, m}});
    }
  }
  return specs;
}

}  // namespace

extern const Method kVera = {
    .name = kName,
    .summary = "two trained vectors per map over one frozen random pair for the whole model",
    .source = "Kopiczko et al. 2024, arXiv 2310.11454",
    .status = "PEFT",
    .scale = ScaleLaw::one,
    .peft_type = "VERA",
    .peft_keys =
        [](const AdapterSet& adapters, Json* file) {
          const AdapterConfig& config = adapters.config();
          (*file)["r"] = config.rank;
          (*file)["d_initial"] = config.settings<Settings>(kName).d_initial;
          (*file)["vera_dropout"] = config.dropout;
          (*file)["save_projection"] = true;
          (*file)["projection_prng_key"] = adapters.seed();  // PEFT puts adapters of one key only on the same model
          return true;
        },
    .params = params,
    .make = make_adapter<Vera>,
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
};

}  // namespace hellora
