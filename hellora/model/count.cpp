#include "hellora/model/count.h"

#include "hellora/adapters/method.h"
#include "hellora/model/sites.h"
#include "hellora/model/slots.h"

namespace hellora {
namespace {

/// Sum over all slots of weight(slot) · in · out, slots of experts times `experts`.
template <class Weight>
int64_t sum_slots(const ModelShape& shape, int64_t experts, const Weight& weight) {
  int64_t total = 0;
  for_each_slot(shape, [&](Slot slot, int64_t) {
    const auto [in, out] = slot_sizes(shape, slot);
    total += weight(slot) * in * out * (is_expert_slot(slot) ? experts : 1);
  });
  return total;
}

int64_t count_with(const ModelShape& shape, int64_t experts) {
  return sum_slots(shape, experts, [](Slot) { return 1; });
}

}  // namespace

int64_t count_base(const ModelShape& shape) { return count_with(shape, shape.experts); }
int64_t count_active(const ModelShape& shape) { return count_with(shape, shape.router.top_k); }

AdapterElements count_elements(const ModelShape& shape, const AdapterConfig& config, const Plan& plan) {
  const std::vector<Site> sites = find_sites(shape, config, plan);
  AdapterElements elements;
  for (const LayerPlan& layer : plan.layers) elements.experts = std::max(elements.experts, static_cast<int64_t>(layer.experts.size()));
  for (const ParamSpec& spec : find_method(config.method).params(sites, config)) {
    (spec.use == Use::trained ? elements.trained : elements.frozen) += spec.count();
  }
  return elements;
}

int64_t count_trainable(const ModelShape& shape, const AdapterConfig& config, const Plan& plan) {
  const int64_t trained = count_elements(shape, config, plan).trained;
  const Method& method = find_method(config.method);
  return method.learning != nullptr ? method.learning(trained, config) : trained;
}

double base_flops(const ModelShape& s) {
  const int64_t macs = sum_slots(s, s.router.top_k, [](Slot slot) { return slot == Slot::embed || is_vector_slot(slot) ? 0 : 1; });
  return 2.0 * static_cast<double>(macs + (s.tied_embeddings ? s.vocab * s.hidden : 0));
}

double attention_flops(const ModelShape& s) {
  const int64_t values = s.has_latent() ? s.latent.value : s.head_dim;
  return 2.0 * static_cast<double>(s.layers * s.heads * (s.head_dim + values));
}

double adapter_flops(const ModelShape& shape, const AdapterConfig& config, double coverage) {
  double macs = 0;
  for (const Site& site :
       find_sites(shape, config, first_experts(shape, std::min<int64_t>(1, shape.experts)))) {  // one expert stands for a visit
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
