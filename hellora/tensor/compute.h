// How the engine computes: arithmetic of products, and the type in which activations wait for the backward pass.
#pragma once

#include "hellora/kernels/row.h"
#include "hellora/tensor/torch.h"

namespace hellora {

struct Compute {
  kernels::Math math = kernels::Math::full;
  at::ScalarType saved = at::kFloat;  // fp32 or bf16; fp64 activations are always kept whole

  /// The store of weights that are packed for a single use: what enters a product of this arithmetic.
  kernels::WeightType operand_store(at::ScalarType real) const {
    if (real == at::kDouble) return kernels::WeightType::f64;
    return math == kernels::Math::bf16 ? kernels::WeightType::bf16 : kernels::WeightType::f32;
  }
  /// x as it waits for the backward pass; several keepers of one tensor share the copy.
  Tensor keep(const Tensor& x) const;
};

/// A kept activation in the type of computation.
inline Tensor restore(const Tensor& kept, at::ScalarType real) { return kept.scalar_type() == real ? kept : kept.to(real); }

}  // namespace hellora
