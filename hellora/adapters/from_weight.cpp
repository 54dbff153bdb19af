#include "hellora/adapters/from_weight.h"

#include <algorithm>

#include "hellora/core/error.h"

namespace hellora {
namespace {

class Square : public Adapter {
 public:
  Square(const Site& site, const AdapterConfig& config, const Lookup& param, const std::string& prefix) : Adapter(site) {
    for (const SiteMember& one : site.members) {
      const std::string name = one.path + "." + prefix;
      parts_.push_back({param(name + "_A"), param(name + "_B"), param(name + "_R"), config.scale(one.rank, one.alpha)});
    }
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

}  // namespace

std::vector<ParamSpec> square_params(std::span<const Site> sites, const AdapterConfig& config, const std::string& prefix,
                                     const SquareStart& start) {
  std::vector<ParamSpec> specs;
  for (size_t s = 0; s < sites.size(); ++s) {
    const Site& site = sites[s];
    require_matrix(site, config);
    require_rank_within(site, config);
    for (size_t m = 0; m < site.members.size(); ++m) {
      const SiteMember& one = site.members[m];
      const std::string name = one.path + "." + prefix, a = name + "_A", parameter = site.parameter(m);
      specs.push_back({a, {one.rank, site.in}, start.A(parameter), Place{s, m}, Use::frozen});
      specs.push_back({name + "_B", {site.out, one.rank}, start.B(parameter, a), Place{s, m}, Use::frozen});
      specs.push_back({name + "_R", {one.rank, one.rank}, start.R(parameter, a), Place{s, m}});
    }
  }
  return specs;
}

std::unique_ptr<Adapter> make_square(const Site& site, const AdapterConfig& config, const Lookup& param, const std::string& prefix) {
  return std::make_unique<Square>(site, config, param, prefix);
}

Svd weight_svd(const std::string& parameter, int64_t rank, int64_t iterations, const InitContext& context) {
  const Tensor w_OI = context.base(parameter);
  const auto wide = w_OI.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return leading_svd(w_OI.to(wide), rank, iterations, make_key(context.seed, hash_text("svd"), hash_text(parameter)));
}

void require_rank_within(const Site& site, const AdapterConfig& config) {
  for (const SiteMember& one : site.members) {
    const int64_t width = std::min(site.in, site.out);
    if (one.rank <= width) continue;
    throw ConfigError("adapter.rank: " + one.path + " is " + std::to_string(site.out) + " x " + std::to_string(site.in) +
                      " and has no more than " + std::to_string(width) + " singular values; adapter.method " + config.method +
                      " cannot take rank " + std::to_string(one.rank));
  }
}

}  // namespace hellora
