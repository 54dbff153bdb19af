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

/// (x Aᵀ) Bᵀ whose A and B see the rescaled gradient.
class Rescaled : public torch::autograd::Function<Rescaled> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x_NI, const Tensor& a_RI, const Tensor& b_OR,
                        const Tensor& factor_O) {
    ctx->save_for_backward({x_NI, a_RI, b_OR, factor_O});
    return at::matmul(at::matmul(x_NI, a_RI.t()), b_OR.t());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x_NI = saved[0], &a_RI = saved[1], &b_OR = saved[2], g_NO = grads[0], scaled_NO = g_NO * saved[3];
    const Tensor dx_NI = at::matmul(at::matmul(g_NO, b_OR), a_RI);
    const Tensor da_RI = at::matmul(at::matmul(scaled_NO, b_OR).t(), x_NI);
    return {dx_NI, da_RI, at::matmul(scaled_NO.t(), at::matmul(x_NI, a_RI.t())), Tensor()};
  }
};

class Allora : public Adapter {
 public:
  Allora(const Site& site, const AdapterConfig& config, const Lookup& param)
      : Adapter(site), least_(1 / (config.settings<Settings>(kName).eta * config.settings<Settings>(kName).eta)) {
    for (size_t m = 0; m < site.members.size(); ++m) parts_.push_back({param(name_of_A(site, m)), param(name_of_B(site, m))});
  }

  /// Low-rank where nobody asks for a gradient.
  Part part(size_t m) const override {
    if (at::GradMode::is_enabled() && parts_[m].B_OR.requires_grad()) return General{};
    return parts_[m];
  }

  Tensor apply(const BaseCall& call, size_t m) const override {
    const LowRank& p = parts_[m];
    return call.y_NO + Rescaled::apply(call.x_NI, p.A_RI, p.B_OR, factors(p));
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
