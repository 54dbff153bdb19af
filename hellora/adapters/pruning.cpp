#include "hellora/adapters/pruning.h"

#include "hellora/adapters/step_hooks.h"

#include "hellora/tensor/ordered_sum.h"

namespace hellora {
namespace {

class Pruning : public StepHooks {
 public:
  Pruning(AdapterSet& adapters, std::string_view suffix, const PruningSettings& settings) : settings_(settings) {
    for (size_t p = 0; p < adapters.specs().size(); ++p) {
      if (!adapters.trains(p) || !adapters.specs()[p].name.ends_with(suffix)) continue;
      gates_.push_back({adapters.param(p).detach(), adapters.grad(p), p});
      count_ += adapters.specs()[p].count();
    }
  }

  double regularise(int64_t) override {
    if (settings_.l1 == 0) return 0;
    const double weight = settings_.l1 / static_cast<double>(count_);
    double sum = 0;
    for (const Gate& one : gates_) {
      sum += ordered_sum(one.value.abs());
      Tensor(one.grad).add_(one.value.sign(), weight);
    }
    return weight * sum;
  }

  /// Gates at zero.
  int64_t masked(size_t param) const override {
    for (const Gate& one : gates_) {
      if (one.param == param) return one.value.numel() - at::count_nonzero(one.value).item<int64_t>();
    }
    return 0;
  }

  void after_step(int64_t, int64_t, double) override {
    if (settings_.threshold == 0) return;
    for (const Gate& one : gates_) Tensor(one.value).copy_(shrunk(one.value, settings_.threshold, settings_.parity));
  }

 private:
  struct Gate {
    Tensor value, grad;
    size_t param;
  };
  PruningSettings settings_;
  std::vector<Gate> gates_;
  int64_t count_ = 0;
};

}  // namespace

Tensor shrunk(const Tensor& gates, double threshold, bool parity) {
  if (!parity) return gates.sign() * (gates.abs() - threshold).clamp_min(0);
  Tensor g = at::where(gates > threshold, gates - threshold, gates);
  g = at::where(g < -threshold, g + threshold, g);
  return at::where(g.abs() < threshold, at::zeros_like(g), g);
}

std::unique_ptr<StepHooks> prune_gates(AdapterSet& adapters, std::string_view suffix, const PruningSettings& settings) {
  return std::make_unique<Pruning>(adapters, suffix, settings);
}

std::vector<Field> pruning_fields(PruningSettings* settings, const std::string& method) {
  const std::string section = "adapter." + method + ".";
  return {double_field(section + "l1", &settings->l1, 0, 1e6, method + ": weight of the mean of all |gates| in the loss"),
          double_field(section + "threshold", &settings->threshold, 0, 1e3,
                       method + ": what each gate loses after each step; not above 0 it is pruned"),
          flag_field(section + "parity", &settings->parity,
                     method + ": the released code's form of that step, which prunes up to twice the threshold")};
}

}  // namespace hellora
