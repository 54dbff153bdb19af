#include "hellora/adapters/from_weight.h"

#include <algorithm>

#include "hellora/core/error.h"

namespace hellora {

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
