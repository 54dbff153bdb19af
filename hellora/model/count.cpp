#include "hellora/model/count.h"

#include "hellora/adapters/method.h"
#include "hellora/model/sites.h"

namespace hellora {
namespace {

int64_t attention_matrices(const ModelShape& s) { return s.hidden * (2 * s.q_width() + 2 * s.kv_width()); }
int64_t expert_matrices(const ModelShape& s) { return 3 * s.hidden * s.expert_width; }
int64_t norms(const ModelShape& s) { return 2 * s.hidden + (s.qk_norm_whole ? s.q_width() + s.kv_width() : 0); }

int64_t count_with(const ModelShape& s, int64_t experts) {
  const int64_t layer = attention_matrices(s) + norms(s) + s.hidden * s.experts + experts * expert_matrices(s);
  return s.layers * layer + (s.tied_embeddings ? 1 : 2) * s.vocab * s.hidden + s.hidden;
}

}  // namespace

int64_t count_base(const ModelShape& shape) { return count_with(shape, shape.experts); }
int64_t count_active(const ModelShape& shape) { return count_with(shape, shape.router.top_k); }

int64_t count_trainable(const ModelShape& shape, const AdapterConfig& config, const Plan& plan) {
  const std::vector<Site> sites = find_sites(shape, config, plan);
  int64_t total = 0;
  for (const ParamSpec& spec : find_method(config.method).params(sites, config)) total += spec.count();
  return total;
}

double base_flops(const ModelShape& s) {
  const int64_t layer = attention_matrices(s) + s.hidden * s.experts + s.router.top_k * expert_matrices(s);
  return 2.0 * static_cast<double>(s.layers * layer + s.vocab * s.hidden);
}

double adapter_flops(const ModelShape& shape, const AdapterConfig& config, double coverage) {
  Plan one_expert;  // one expert per layer stands for a visit
  for (int64_t layer = 0; layer < shape.layers; ++layer) one_expert.layers.push_back({layer, {{0, 0}}, 0});
  double macs = 0;
  for (const Site& site : find_sites(shape, config, one_expert)) {
    if (site.slot == Slot::embed) continue;
    const double visits = is_expert_slot(site.slot) ? coverage * static_cast<double>(shape.router.top_k) : 1.0;
    macs += visits * static_cast<double>(config.rank * (site.in + site.out));
  }
  return 2.0 * macs;
}

Ratios count_ratios(int64_t base, int64_t trainable, int64_t trainable_all) {
  const auto n = static_cast<double>(base), q = static_cast<double>(trainable), p = static_cast<double>(trainable_all);
  return {q / p, (q / (n + q)) / (p / (n + p))};
}

}  // namespace hellora
