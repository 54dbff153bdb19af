// GLAD: LoRA whose update is steered by the gradient a small step uphill, at the sharpest place nearby (arXiv 2507.13089). The paper's
// rule, radius and rank are not public: the combinations below are this project's reading.
//
// g is the step's gradient, g_s the gradient at θ + ρ g / ‖g‖ for the same batch and dropout masks.
#include <cmath>

#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"
#include "hellora/tensor/ordered_sum.h"

namespace hellora {
namespace {

constexpr const char* kName = "glad";

struct Settings {
  std::string mode = "conflict";
  double radius = 0.05, mix = 0.5;

  std::vector<Field> fields() {
    return {choice_field("adapter.glad.mode", &mode, {"conflict", "sam", "mix"},
                         "glad: the step's gradient without what opposes the uphill one, the uphill one itself, or a mean of both"),
            double_field("adapter.glad.radius", &radius, 1e-9, 1e3, "glad: length of the step uphill"),
            double_field("adapter.glad.mix", &mix, 0, 1, "glad: share of the uphill gradient (mode mix)")};
  }
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) { return pair_params(sites, config, Use::trained); }

class Sharpness : public StepHooks {
 public:
  explicit Sharpness(AdapterSet& adapters) : settings_(adapters.config().settings<Settings>(kName)), adapters_(adapters) {}

  void after_backward(const std::function<void()>& again) override {
    const at::NoGradGuard no_grad;
    Tensor grad = adapters_.flat_grad(), flat = adapters_.flat_param().detach();
    const double norm = std::sqrt(ordered_square_sum(grad));
    if (!(norm > 0) || !std::isfinite(norm)) return;  // the trainer refuses what is not finite
    const Tensor before = flat.clone(), own = grad.clone();
    flat.add_(own, settings_.radius / norm);
    {
      const at::AutoGradMode with_grad(true);
      again();
    }
    flat.copy_(before);
    if (settings_.mode == "sam") return;
    if (settings_.mode == "mix") {
      grad.mul_(settings_.mix).add_(own, 1 - settings_.mix);
      return;
    }
    const double dot = ordered_sum((own * grad).contiguous()), square = ordered_square_sum(grad);
    grad.mul_(dot < 0 && square > 0 ? -dot / square : 0).add_(own);
  }

 private:
  Settings settings_;
  AdapterSet& adapters_;
};

}  // namespace

extern const Method kGlad = {
    .name = kName,
    .summary = "LoRA steered towards flat regions by the gradient a small step uphill; two gradients a step",
    .source = "arXiv 2507.13089; the rule is this project's reading",
    .peft_type = "LORA",
    .pairs = true,
    .params = params,
    .make = make_pairs,
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
    .step_bytes = 8,  // the parameters and their gradient before the step uphill
    .hooks = make_hooks<Sharpness>,
};

}  // namespace hellora
