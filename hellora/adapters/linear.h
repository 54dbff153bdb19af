// A linear map with whatever its adapter adds.
#pragma once

#include "hellora/adapters/method.h"
#include "hellora/adapters/step_context.h"
#include "hellora/tensor/linear.h"

namespace hellora {

/// x after dropout where the context asks for it, else undefined ("read x itself"). token_N and expert_N may be undefined.
Tensor adapter_input(const Tensor& x_NI, const StepContext& context, int64_t layer, Slot input, const Tensor& token_N = {},
                     const Tensor& expert_N = {});

/// The frozen weight with what its adapter puts in its place or beside it. `adapter` may be null.
LinearMap adapted_map(const kernels::Packed& frozen, const Adapter* adapter);

/// y (N,O) = x wᵀ plus the adapter's part, which reads x_low where that is defined.
Tensor adapted_linear(const Tensor& x_NI, const kernels::Packed& frozen, const Adapter* adapter, const Tensor& x_low_NI,
                      const Compute& compute);

/// The vector or table that takes part: the adapter's own (full training) or the frozen one.
const Tensor& effective_weight(const Tensor& frozen, const Adapter* adapter);

}  // namespace hellora
