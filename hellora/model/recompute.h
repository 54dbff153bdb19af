// Recomputation: a part of the forward pass that keeps its input alone and runs again in the backward pass (gradient checkpointing).
#pragma once

#include <functional>

#include "hellora/tensor/torch.h"

namespace hellora {

/// From x to one or more results. Must compute the same again, and reach trainable parameters by itself.
using Recomputable = std::function<std::vector<Tensor>(const Tensor& x)>;

/// run(x) with history, though nothing but x waits for the backward pass. Parameters inside get their gradients as usual.
std::vector<Tensor> recomputed(const Tensor& x, Recomputable run);

}  // namespace hellora
