// Frozen weights of a decoder, and loading them from a checkpoint one tensor at a time.
// D hidden, V vocabulary, E experts, F expert width, Q and K widths of queries and keys.
#pragma once

#include <vector>

#include "hellora/io/checkpoint.h"
#include "hellora/model/arch.h"
#include "hellora/moe/block.h"
#include "hellora/tensor/frozen.h"

namespace hellora {

struct LayerWeights {
  Tensor input_norm_D, post_norm_D;
  kernels::Packed q, k, v, o;  // (Q, D), (K, D), (K, D), (D, Q)
  Tensor q_norm_Q, k_norm_K;   // undefined when the family has none
  MoeWeights moe;
};

struct ModelWeights {
  FrozenWeights arena;  // owns what the packed matrices point to
  Tensor embed_VD, final_norm_D;
  kernels::Packed lm_head;  // (V, D)
  std::vector<LayerWeights> layers;
  uint64_t content = 0;  // hash of every weight's values, rounded to bf16: the same for any storage
};

/// How weights are kept: `stored` for matrices (bf16, fp32, fp64), `compute` for norms and the router (fp32, fp64).
struct WeightDtypes {
  at::ScalarType stored = at::kFloat, compute = at::kFloat;
};

/// Reads every tensor of the architecture, per-expert or fused (decided by which keys are present), and nothing else:
/// a missing tensor, a wrong shape or an unknown extra tensor is a FormatError. File pages are dropped as they are read.
ModelWeights load_weights(const Checkpoint& checkpoint, const ModelShape& shape, const WeightDtypes& dtypes);

/// One frozen weight as fp32 (fp64 for fp64 files) by the name of its module plus ".weight"; experts of fused files too.
Tensor base_weight(const Checkpoint& checkpoint, const ModelShape& shape, const std::string& name);

/// Bytes of the arena for a shape.
int64_t packed_bytes(const ModelShape& shape, kernels::Store stored, kernels::Store compute);

/// Calls visit(name, tensor) for every weight in a fixed order; matrices are unpacked for the call (tests, reports).
void for_each_weight(const ModelWeights& weights, const std::function<void(const std::string&, const Tensor&)>& visit);

}  // namespace hellora
