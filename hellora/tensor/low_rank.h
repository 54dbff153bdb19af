// The low-rank part of a linear map, and its factors as the kernels take them.
#pragma once

#include "hellora/kernels/buffer.h"
#include "hellora/tensor/compute.h"

namespace hellora {

/// Adds scale * out ⊙ ((gate ⊙ (x Aᵀ)) Bᵀ). A: (R, in), B: (out, R); gate (R) and out (O) may be undefined: ones.
struct LowRank {
  Tensor A_RI, B_OR;
  double scale = 1.0;
  Tensor gate_R = {}, out_O = {};
  Tensor grad_O = {};  // constant: A and B see the gradient of the output times this, x sees it as it is; undefined: ones

  int64_t rank() const { return A_RI.size(0); }
  /// diag(out) B diag(gate), with history: the products see one factor, and gate and out get their gradients through it.
  Tensor whole_B() const;
};

/// Matrices packed for one pass; they live as long as the object.
class PassPacks {
 public:
  /// w as (n, k), or its transpose (k, n) where `transposed`; times scale.
  kernels::Packed add(const Tensor& w, bool transposed, double scale, kernels::WeightType store);

 private:
  std::vector<kernels::Block> blocks_;
  size_t used_ = 0;
};

kernels::WeightType store_of(at::ScalarType dtype);
kernels::Plain plain_of(const Tensor& w);

}  // namespace hellora
