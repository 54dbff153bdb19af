// How parameters start: as a function of (seed, name), and for some of the frozen weight or of the parameters before them.
#pragma once

#include <functional>
#include <string>

#include "hellora/tensor/torch.h"

namespace hellora {

/// Returns the frozen weight (fp32 or fp64) of a parameter of the checkpoint, "model.layers.0.self_attn.q_proj.weight"; for methods that
/// start from gradients also the gradient of a weight, "….weight.grad".
using BaseWeight = std::function<Tensor(const std::string& name)>;

struct InitContext {
  uint64_t seed = 0;
  std::string name;  // of the parameter
  const BaseWeight& base;
  const std::function<const Tensor&(const std::string& name)>& param;  // those that were declared before
};

/// Fills `out`, which holds zeros.
using Init = std::function<void(Tensor out, const InitContext& context)>;

namespace init {

Init zeros();
Init constant(double value);
/// U(-bound, bound)
Init uniform(double bound);
/// Kaiming's law with a = √5, nn.Linear's own: U(-1/√fan_in, 1/√fan_in).
Init kaiming(int64_t fan_in);
/// N(0, std²)
Init normal(double std);
/// The frozen weight of this name.
Init base(std::string parameter);

}  // namespace init
}  // namespace hellora
