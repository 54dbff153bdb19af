// ALLoRA: LoRA without scale and dropout whose gradient is rescaled in each output row by 1 / √(‖(B A)_i‖ + 1/η²), so that rows that are
// still small learn faster (Huang et al. 2024). The gradient of the input is not rescaled.
#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"

namespace hellora {
namespace {

constexpr const char* kName = "allora";

struct Settings {
  double eta = 16;

  std::vector<Field> fields() {
    return {double_field("adapter.allora.eta", &eta, 1e-6, 1e6, "allora: how much faster a row without change learns")};
  }
};

class Allora : public Adapter {
 public:
  Allora(const Site& site, const AdapterConfig& config, const Lookup& param)
      : Adapter(site), least_(1 / (config.settings<Settings>(kName).eta * config.settings<Settings>(kName).eta)) {
    for (size_t m = 0; m < site.members.size(); ++m) parts_.push_back({param(name_of_A(site, m)), param(name_of_B(site, m))});
  }

  Part part(size_t m) const override {
    LowRank p = parts_[m];
    if (at::GradMode::is_enabled() && p.B_OR.requires_grad()) p.grad_O = factors(p);
    return p;
  }

 private:
  Tensor factors(const LowRank& p) const {
    const at::NoGradGuard no_grad;
    const Tensor square_O = (at::matmul(p.B_OR, at::matmul(p.A_RI, p.A_RI.t())) * p.B_OR).sum(1);
    return (square_O.clamp_min(0).sqrt() + least_).rsqrt();
  }

  std::vector<LowRank> parts_;
  double least_;
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  require_no_dropout(config);
  for (const Site& site : sites) require_matrix(site, config);
  return pair_params(sites, config, Use::trained);
}

}  // namespace

extern const Method kAllora = {
    .name = kName,
    .summary = "LoRA without scale and dropout; rows of small change learn faster",
    .source = "Huang et al. 2024, arXiv 2410.09692; eta is this project's",
    .status = "formula",
    .scale = ScaleLaw::one,
    .exact_gradient = false,
    .params = params,
    .make = make_adapter<Allora>,
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
};

}  // namespace hellora
