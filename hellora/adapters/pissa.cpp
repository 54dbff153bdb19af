// PiSSA: the pair starts as the principal part of the weight, and the frozen weight is what is left of it (Meng et al. 2024). The base
// here stays whole: y = x Wᵀ + s · (B A − B₀ A₀) x, a pair of rank 2R, which is what other programs read too.
#include "hellora/adapters/from_weight.h"
#include "hellora/adapters/row.h"

namespace hellora {
namespace {

constexpr const char* kName = "pissa";

struct Settings {
  int64_t iterations = 8;

  std::vector<Field> fields() {
    return {int_field("adapter.pissa.iterations", &iterations, 0, 1000, "pissa: power iterations of the singular values; 0: exactly")};
  }
};

class Pissa : public Adapter {
 public:
  Pissa(const Site& site, const AdapterConfig& config, const Lookup& param) : Adapter(site) {
    for (size_t m = 0; m < site.members.size(); ++m) {
      const SiteMember& one = site.members[m];
      parts_.push_back({param(name_of_A(site, m)), param(name_of_B(site, m)), param(one.path + ".pissa_A0"), param(one.path + ".pissa_B0"),
                        config.scale(one.rank, one.alpha)});
    }
  }

  Part part(size_t m) const override {
    const Pair& p = parts_[m];
    return LowRank{at::cat({p.A_RI, p.A0_RI}), at::cat({p.B_OR, -p.B0_OR}, 1), p.scale};
  }

 private:
  struct Pair {
    Tensor A_RI, B_OR, A0_RI, B0_OR;
    double scale;
  };
  std::vector<Pair> parts_;
};

/// √(S/s) Vᵀ
Init start_of_A(std::string parameter, double scale, int64_t iterations) {
  return [=](const Tensor& out, const InitContext& context) {
    const Svd svd = weight_svd(parameter, out.size(0), iterations, context);
    out.copy_((svd.s_R / scale).sqrt().unsqueeze(1) * svd.vt_RI);
  };
}

/// U √(S/s) = W Vᵀᵀ / √(S s), from the A that goes with it, whose rows are √(S/s) long.
Init start_of_B(std::string parameter, std::string a, double scale) {
  return [=](const Tensor& out, const InitContext& context) {
    const Tensor &a_RI = context.param(a), w_OI = context.base(parameter).to(a_RI.scalar_type());
    const Tensor length_R = a_RI.square().sum(1).clamp_min(1e-30);  // S / s
    out.copy_(at::matmul(w_OI, a_RI.t()) / (length_R * scale));
  };
}

Init same_as(std::string name) {
  return [name = std::move(name)](const Tensor& out, const InitContext& context) { out.copy_(context.param(name)); };
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
      const double scale = config.scale(one.rank, one.alpha);
      const std::string a0 = one.path + ".pissa_A0", b0 = one.path + ".pissa_B0";
      specs.push_back({a0, {one.rank, site.in}, start_of_A(site.parameter(m), scale, iterations), Place{s, m}, Use::frozen});
      specs.push_back({b0, {site.out, one.rank}, start_of_B(site.parameter(m), a0, scale), Place{s, m}, Use::frozen});
      specs.push_back({name_of_A(site, m), {one.rank, site.in}, same_as(a0), Place{s, m}});
      specs.push_back({name_of_B(site, m), {site.out, one.rank}, same_as(b0), Place{s, m}});
    }
  }
  return specs;
}

}  // namespace

extern const Method kPissa = {
    .name = kName,
    .summary = "LoRA that starts as the principal part of each weight",
    .source = "Meng et al. 2024, arXiv 2404.02948",
    .status = "PEFT",
    .starts_as_base = false,  // but for rounding
    .params = params,
    .make = make_adapter<Pissa>,
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
};

}  // namespace hellora
