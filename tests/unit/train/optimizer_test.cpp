// AdamW on the flat state against torch's own optimizer.
#include "hellora/train/optimizer.h"

#include <torch/optim/adamw.h>

#include <cmath>

#include "tests/support/tiny_model.h"
#include "tests/support/tolerances.h"

namespace hellora::testing {
namespace {

/// Full training of q and the norms: matrices take weight decay, norms do not.
std::unique_ptr<AdapterSet> decayed_and_not() {
  AdapterConfig config;
  config.method = "full";
  config.targets = {"q", "norm"};
  const ModelShape shape = tiny_shape();
  const auto sites = find_sites(shape, config, Plan());
  int64_t norms = 0;
  for (const Site& site : sites) norms += is_vector_slot(site.slot);
  EXPECT_GT(norms, 0);
  const BaseWeight base = [&](const std::string& name) {
    const bool norm = name.find("norm") != std::string::npos;
    const int64_t width = name.find("k_norm") != std::string::npos ? shape.kv_width() : shape.hidden;
    return norm ? random_tensor({width}, hash_text(name), at::kFloat)
                : random_tensor({shape.q_width(), shape.hidden}, hash_text(name), at::kFloat);
  };
  return std::make_unique<AdapterSet>(sites, config, 1, base);
}

TEST(AdamWFlat, EqualsTorchOverSeveralSteps) {
  const auto adapters = decayed_and_not();
  TrainConfig config;
  config.weight_decay = 0.1;
  config.beta1 = 0.8;
  config.beta2 = 0.95;
  config.eps = 1e-6;
  AdamW ours(*adapters, config);

  std::vector<Tensor> copies, decays, plain;
  for (size_t p = 0; p < adapters->specs().size(); ++p) {
    copies.push_back(adapters->param(p).detach().clone().requires_grad_(true));
    (adapters->specs()[p].decay ? decays : plain).push_back(copies.back());
  }
  ASSERT_FALSE(decays.empty() || plain.empty());
  const auto options = [&](double decay) {
    return std::make_unique<torch::optim::AdamWOptions>(torch::optim::AdamWOptions(1).betas({0.8, 0.95}).eps(1e-6).weight_decay(decay));
  };
  torch::optim::AdamW theirs(
      {torch::optim::OptimizerParamGroup(decays, options(0.1)), torch::optim::OptimizerParamGroup(plain, options(0))},
      torch::optim::AdamWOptions(1));
  for (uint64_t step = 0; step < 5; ++step) {
    const double lr = 0.01 * static_cast<double>(step + 1);
    for (size_t p = 0; p < copies.size(); ++p) {
      const Tensor gradient = random_tensor(copies[p].sizes(), 100 * step + p, at::kFloat);
      adapters->grad(p).copy_(gradient);
      copies[p].mutable_grad() = gradient;
    }
    for (auto& group : theirs.param_groups()) group.options().set_lr(lr);
    theirs.step();
    ours.step(lr);
    for (size_t p = 0; p < copies.size(); ++p) {
      EXPECT_TRUE(close_to(adapters->param(p), copies[p], 1e-6)) << adapters->specs()[p].name << " after step " << step + 1;
    }
  }
  EXPECT_EQ(ours.steps_done(), 5);
}

TEST(AdamWFlat, DecaysMatricesOnly) {
  const auto adapters = decayed_and_not();
  TrainConfig config;
  config.weight_decay = 0.5;
  AdamW optimizer(*adapters, config);
  std::vector<Tensor> before;
  for (size_t p = 0; p < adapters->specs().size(); ++p) before.push_back(adapters->param(p).detach().clone());
  optimizer.zero_grad();
  optimizer.step(0.1);  // without a gradient, decay is all that happens
  for (size_t p = 0; p < before.size(); ++p) {
    const Tensor want = adapters->specs()[p].decay ? before[p] * 0.95 : before[p];
    EXPECT_TRUE(close_to(adapters->param(p).detach(), want, 1e-7)) << adapters->specs()[p].name;
  }
}

TEST(AdamWFlat, ClipsToTheGivenNorm) {
  const auto adapters = decayed_and_not();
  TrainConfig config;
  config.max_grad_norm = 2;
  AdamW optimizer(*adapters, config);
  Tensor grad = adapters->flat_grad();
  grad.copy_(random_tensor(grad.sizes(), 4, at::kFloat));
  const Tensor given = grad.clone();
  const double norm = optimizer.grad_norm();
  EXPECT_NEAR(norm, given.to(at::kDouble).norm().item<double>(), 1e-9 * norm);
  ASSERT_GT(norm, 2);
  optimizer.clip(norm);
  EXPECT_NEAR(optimizer.grad_norm(), 2, 1e-5);
  EXPECT_TRUE(close_to(grad, given * (2 / norm), 1e-6));

  const Tensor small = grad.clone();
  optimizer.clip(1.999);
  EXPECT_TRUE(same_bytes(grad, small));  // within the bound nothing moves
  config.max_grad_norm = 0;
  grad.copy_(given);
  optimizer.clip(norm);
  EXPECT_TRUE(same_bytes(grad, given));  // 0: never
  optimizer.zero_grad();
  EXPECT_EQ(optimizer.grad_norm(), 0);
}

}  // namespace
}  // namespace hellora::testing
