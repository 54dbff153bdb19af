#include "hellora/train/optimizer.h"

#include <cmath>

#include "hellora/tensor/ordered_sum.h"

namespace hellora {

AdamW::AdamW(AdapterSet& adapters, const TrainConfig& config)
    : adapters_(adapters), config_(config), first_(at::zeros_like(adapters.flat_param())), second_(at::zeros_like(adapters.flat_param())) {}

double AdamW::grad_norm() const { return std::sqrt(ordered_square_sum(adapters_.flat_grad())); }

void AdamW::clip(double norm) {
  if (config_.max_grad_norm <= 0 || norm <= config_.max_grad_norm) return;
  Tensor grad = adapters_.flat_grad();
  grad.mul_(config_.max_grad_norm / (norm + 1e-6));  // the same small constant as torch's clip_grad_norm_
}

void AdamW::step(double lr) {
  const at::NoGradGuard no_grad;
  const Tensor before = at::full({}, static_cast<double>(steps_), at::TensorOptions(at::kFloat));
  const auto range = [&](int64_t begin, int64_t stop, double decay) {
    const auto part = [&](const Tensor& flat) { return std::vector<Tensor>{flat.narrow(0, begin, stop - begin)}; };
    auto param = part(adapters_.flat_param()), grad = part(adapters_.flat_grad()), first = part(first_), second = part(second_);
    std::vector<Tensor> none, step{before + 1};  // the operator expects the number of the step it takes
    at::_fused_adamw_(param, grad, first, second, none, step, lr, config_.beta1, config_.beta2, decay, config_.eps, false, false);
  };
  for (const ParamRange& one : adapters_.ranges()) range(one.begin, one.end, one.decay ? config_.weight_decay : 0.0);
  ++steps_;
}

void AdamW::reset() {
  first_.zero_();
  second_.zero_();
  steps_ = 0;
}

void AdamW::zero_grad() { adapters_.flat_grad().zero_(); }

}  // namespace hellora
