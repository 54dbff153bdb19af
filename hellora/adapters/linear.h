// A linear map with whatever its adapter adds.
#pragma once

#include "hellora/adapters/method.h"
#include "hellora/adapters/step_context.h"
#include "hellora/tensor/linear.h"

namespace hellora {

/// x after dropout where the context asks for it, else undefined ("read x itself"). token_N and expert_N may be undefined.
Tensor adapter_input(const Tensor& x_NI, const StepContext& context, int64_t layer, Slot input, const Tensor& token_N = {},
                     const Tensor& expert_N = {});

/// A linear map of a site with one member, with what its adapter makes of it.
struct AdaptedMap {
  kernels::Packed frozen;
  const Adapter* adapter = nullptr;  // null: the frozen weight alone
  size_t member = 0;
};

/// One output (N, O) per map, of one input. What the adapters add reads x_low where that is defined.
std::vector<Tensor> adapted_linear(const Tensor& x_NI, const Tensor& x_low_NI, std::span<const AdaptedMap> maps, const Compute& compute);
/// The same for one map.
Tensor adapted_linear(const Tensor& x_NI, const Tensor& x_low_NI, const AdaptedMap& map, const Compute& compute);

/// The vector or table that takes part: the adapter's own (full training) or the frozen one.
Tensor effective_weight(const Tensor& frozen, const Adapter* adapter);

}  // namespace hellora
