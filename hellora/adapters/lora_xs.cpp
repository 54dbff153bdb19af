// LoRA-XS: a small trained matrix R between the frozen leading singular vectors of the weight: ΔW = s · U R (S Vᵀ)
// (Bałazy et al. 2024; laws of MohammadrezaBanaei/LoRA-XS).
#include "hellora/adapters/from_weight.h"

namespace hellora {
namespace {

constexpr const char* kName = "lora_xs";
constexpr double kStart = 1e-5;  // of R's standard deviation

struct Settings {
  int64_t iterations = 10;
};

class LoraXs : public Adapter {
 public:
  LoraXs(const Site& site, const AdapterConfig& config, const Lookup& param) : Adapter(site) {
    for (const SiteMember& one : site.members)
      parts_.push_back(
          {param(one.path + ".xs_A"), param(one.path + ".xs_B"), param(one.path + ".xs_R"), config.scale(one.rank, one.alpha)});
  }

  Part part(size_t m) const override {
    const Triple& p = parts_[m];
    return LowRank{at::matmul(p.R_RR, p.A_RI), p.B_OR, p.scale};
  }

 private:
  struct Triple {
    Tensor A_RI, B_OR, R_RR;
    double scale;
  };
  std::vector<Triple> parts_;
};

/// S Vᵀ
Init start_of_A(std::string parameter, int64_t iterations) {
  return [=](const Tensor& out, const InitContext& context) {
    const Svd svd = weight_svd(parameter, out.size(0), iterations, context);
    out.copy_(svd.s_R.unsqueeze(1) * svd.vt_RI);
  };
}

/// U = W Aᵀ / S², from the A that goes with it, whose rows are S long.
Init start_of_B(std::string parameter, std::string a) {
  return [=](const Tensor& out, const InitContext& context) {
    const Tensor &a_RI = context.param(a), w_OI = context.base(parameter).to(a_RI.scalar_type());
    out.copy_(at::matmul(w_OI, a_RI.t()) / a_RI.square().sum(1).clamp_min(1e-30));
  };
}

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  const int64_t iterations = config.settings<Settings>(kName).iterations;
  std::vector<ParamSpec> specs;
  for (size_t s = 0; s < sites.size(); ++s) {
    const Site& site = sites[s];
    require_matrix(site, config);
    require_rank_within(site, config);
    for (size_t m = 0; m < site.members.size(); ++m) {
      const SiteMember& one = site.members[m];
      const std::string a = one.path + ".xs_A";
      specs.push_back({a, {one.rank, site.in}, start_of_A(site.parameter(m), iterations), Place{s, m}, Use::frozen});
      specs.push_back({one.path + ".xs_B", {site.out, one.rank}, start_of_B(site.parameter(m), a), Place{s, m}, Use::frozen});
      specs.push_back({one.path + ".xs_R", {one.rank, one.rank}, init::normal(kStart), Place{s, m}});
    }
  }
  return specs;
}

}  // namespace

extern const Method kLoraXs = {
    .name = kName,
    .summary = "an R x R matrix trained between frozen singular vectors of each weight",
    .source = "Bałazy et al. 2024, arXiv 2405.17604",
    .starts_as_base = false,  // but for R's small start
    .params = params,
    .make = [](const Site& site, const AdapterConfig& config, const Lookup& param) -> std::unique_ptr<Adapter> {
      return std::make_unique<LoraXs>(site, config, param);
    },
    .settings = [] { return std::any(Settings()); },
    .fields =
        [](std::any* any) {
          auto* own = std::any_cast<Settings>(any);
          return std::vector<Field>{int_field("adapter.lora_xs.iterations", &own->iterations, 0, 1000,
                                              "lora_xs: power iterations of the singular values; 0: exactly")};
        },
};

}  // namespace hellora
