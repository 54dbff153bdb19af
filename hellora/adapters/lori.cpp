// LoRI: A stays as it was drawn, and of B only the elements that mattered most in a first, dense phase are trained in the second
// (Zhang et al. 2025; laws of juzhengz/LoRI). On hot experts this is HELLoRI. A comes from the seed and is the same in both phases.
//
// One global threshold decides: of all N elements of the trained factors the int((1 − sparsity) N) largest of the first phase learn in
// the second, which begins at zero again. A masked element has no gradient and stays exactly zero. `swap` is the other reading of the
// paper: B is drawn and frozen, A is masked and trained.
#include <algorithm>
#include <cmath>

#include "hellora/adapters/lora.h"
#include "hellora/adapters/row.h"
#include "hellora/tensor/ordered_sum.h"

namespace hellora {
namespace {

constexpr const char* kName = "lori";

struct Settings {
  double sparsity = 0.9, dense_share = 0.5, dense_rate = 0.1;
  bool swap = false;

  /// The expression is the authors', rounding included, but at least one element learns.
  int64_t kept(int64_t elements) const {
    return std::max<int64_t>(1, static_cast<int64_t>((1 - sparsity) * static_cast<double>(elements)));
  }

  std::vector<Field> fields() {
    return {double_field("adapter.lori.sparsity", &sparsity, 0, 0.9999, "lori: share of B that stays zero"),
            double_field("adapter.lori.dense_share", &dense_share, 0.001, 0.999,
                         "lori: share of the steps that train all of B to find out which elements matter"),
            double_field("adapter.lori.dense_rate", &dense_rate, 0.000001, 1000, "lori: train.lr times this in those steps"),
            flag_field("adapter.lori.swap", &swap, "lori: freeze B and train a part of A instead")};
  }
};

std::vector<ParamSpec> params(std::span<const Site> sites, const AdapterConfig& config) {
  const bool swap = config.settings<Settings>(kName).swap;
  for (const Site& site : sites) require_matrix(site, config);
  std::vector<ParamSpec> specs = pair_params(sites, config, swap ? Use::trained : Use::seeded);
  for (size_t p = 0; swap && p < specs.size(); p += 2) {  // A, B
    specs[p].init = init::zeros();
    specs[p + 1].init = init::kaiming(specs[p + 1].shape[1]);
    specs[p + 1].use = Use::seeded;
  }
  return specs;
}

class TwoPhases : public StepHooks {
 public:
  explicit TwoPhases(AdapterSet& adapters) : adapters_(adapters), settings_(adapters.config().settings<Settings>(kName)) {
    mask_ = at::ones(adapters.flat_param().sizes(), at::TensorOptions(at::kByte));
  }

  std::vector<int64_t> phases(int64_t steps) const override {
    const auto share = static_cast<int64_t>(std::llround(settings_.dense_share * static_cast<double>(steps)));
    const int64_t dense = std::clamp<int64_t>(share, 1, std::max<int64_t>(1, steps - 1));
    return {dense, steps - dense};
  }

  double rate(size_t phase) const override { return phase == 0 ? settings_.dense_rate : 1; }

  void begin_phase(size_t phase) override {
    if (phase == 0) return;
    const at::NoGradGuard no_grad;
    Tensor flat = adapters_.flat_param().detach();
    const Tensor size = flat.abs();
    // Padding holds zeros, so that it takes no place among the largest.
    const int64_t elements = adapters_.trainable(), kept = settings_.kept(elements);
    const Tensor threshold = std::get<0>(at::kthvalue(size, size.numel() - kept + 1));
    mask_.copy_(at::ge(size, threshold).to(at::kByte));
    flat.zero_();
  }

  void after_backward(const std::function<void()>& /*again*/) override { Tensor(adapters_.flat_grad()).mul_(mask_); }

  /// Each tensor by its own norm.
  bool clip(double max_norm) override {
    for (size_t p = 0; max_norm > 0 && p < adapters_.specs().size(); ++p) {
      if (!adapters_.trains(p)) continue;
      Tensor grad = adapters_.grad(p);
      const double norm = std::sqrt(ordered_square_sum(grad));
      if (norm > max_norm) grad.mul_(max_norm / (norm + 1e-6));
    }
    return true;
  }

  std::vector<std::pair<std::string, Tensor>> state() override { return {{"mask", mask_}}; }

  int64_t masked(size_t p) const override {
    const Tensor& param = adapters_.param(p);
    return param.numel() - at::count_nonzero(mask_.narrow(0, param.storage_offset(), param.numel())).item<int64_t>();
  }

 private:
  AdapterSet& adapters_;
  Settings settings_;
  Tensor mask_;  // of the flat state: 1 learns
};

}  // namespace

extern const Method kLori = {
    .name = kName,
    .summary = "frozen random A; of B only the tenth that mattered in a dense first phase",
    .source = "Zhang et al. 2025, arXiv 2504.07448",
    .params = params,
    .make = make_pairs,
    .settings = default_settings<Settings>,
    .fields = settings_fields<Settings>,
    .learning = [](int64_t elements, const AdapterConfig& config) { return config.settings<Settings>(kName).kept(elements); },
    .step_bytes = 1,  // the mask
    .hooks = make_hooks<TwoPhases>,
};

}  // namespace hellora
