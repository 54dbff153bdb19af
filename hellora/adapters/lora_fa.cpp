// LoRA-FA: LoRA whose A stays as it was drawn (Zhang et al. 2023). With `precondition` the gradient of B becomes that of the best step
// of the whole change in the space that A spans, (1/s²) G (A Aᵀ + 1e-8 I)⁻¹, as in PEFT's LoraFA optimizer; without, the paper's plain
// form.
#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"
#include "hellora/tensor/one_thread.h"

namespace hellora {
namespace {

struct Settings {
  bool precondition = true;

  std::vector<Field> fields() {
    return {
        flag_field("adapter.lora_fa.precondition", &precondition, "lora_fa: B's gradient times (A Aᵀ)⁻¹ / scale², as PEFT's optimizer")};
  }
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  for (const Site& site : sites) require_matrix(site, config);
  return pair_params(sites, config, Use::frozen);
}

class Precondition : public StepHooks {
 public:
  explicit Precondition(AdapterSet& adapters) {
    const at::NoGradGuard no_grad;
    const OneThread one_thread;
    for (size_t p = 0; p < adapters.specs().size(); ++p) {
      const ParamSpec& spec = adapters.specs()[p];
      if (!adapters.trains(p)) continue;
      const Site& site = adapters.sites()[spec.place->site];
      const SiteMember& one = site.members[spec.place->member];
      const Tensor a_RI = adapters.param(name_of_A(site, spec.place->member));
      const double scale = adapters.config().scale(one.rank, one.alpha);
      const Tensor gram_RR = at::matmul(a_RI, a_RI.t()) + at::eye(one.rank, a_RI.options()) * 1e-8;
      parts_.push_back({adapters.grad(p), at::linalg_pinv(gram_RR) / (scale * scale)});
    }
  }

  void after_backward(const std::function<void()>& /*again*/) override {
    for (const Part& one : parts_) Tensor(one.grad_OR).copy_(at::matmul(one.grad_OR, one.inverse_RR));
  }

 private:
  struct Part {
    Tensor grad_OR, inverse_RR;
  };
  std::vector<Part> parts_;
};

}  // namespace

extern const Method kLoraFa = {
    .name = "lora_fa",
    .summary = "LoRA with a frozen A: half the trained parameters",
    .source = "Zhang et al. 2023, arXiv 2308.03303",
    .status = "PEFT",
    .peft_type = "LORA",
    .pairs = true,
    .params = params,
    .make = make_pairs,
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
    .hooks = [](AdapterSet& adapters) -> std::unique_ptr<StepHooks> {
      if (!adapters.config().settings<Settings>("lora_fa").precondition) return std::make_unique<StepHooks>();
      return std::make_unique<Precondition>(adapters);
    },
};

}  // namespace hellora
