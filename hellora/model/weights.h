// Frozen weights of a decoder, and loading them from a checkpoint one tensor at a time.
// D hidden, V vocabulary, E experts, F expert width.
#pragma once

#include <vector>

#include "hellora/io/checkpoint.h"
#include "hellora/model/arch.h"
#include "hellora/model/slots.h"
#include "hellora/moe/block.h"
#include "hellora/tensor/frozen.h"

namespace hellora {

/// Weights of a layer by slot; what the layer does not have is null or undefined. Router and experts are in `moe`.
struct LayerWeights {
  SlotMap<kernels::Packed> matrix;  // (out, in)
  SlotMap<Tensor> vector;           // norms and biases
  MoeWeights moe;

  /// The matrix of any slot; `expert` for those of experts.
  const kernels::Packed& packed(Slot slot, int64_t expert = -1) const;
  kernels::Packed& packed(Slot slot, int64_t expert = -1);
};

struct ModelWeights {
  FrozenWeights arena;  // owns what the packed matrices point to
  Tensor embed_VD, final_norm_D;
  kernels::Packed lm_head;  // (V, D)
  std::vector<LayerWeights> layers;
  uint64_t content = 0;  // hash of every weight's values, rounded to bf16: the same for any storage
};

/// How weights are kept: `stored` for matrices (bf16, fp32, fp64), `compute` for vectors and routers (fp32, fp64).
struct WeightDtypes {
  at::ScalarType stored = at::kFloat, compute = at::kFloat;
};

/// Reads every tensor of the architecture, per-expert or fused (decided by which keys are present, layer by layer, never by
/// shapes), and nothing else: a missing tensor, a wrong shape or an unknown extra tensor is a FormatError. File pages are dropped
/// as they are read.
ModelWeights load_weights(const Checkpoint& checkpoint, const ModelShape& shape, const WeightDtypes& dtypes);

/// One frozen weight as fp32 (fp64 for fp64 files) by the name of its module plus ".weight"; experts of fused files too.
Tensor base_weight(const Checkpoint& checkpoint, const ModelShape& shape, const std::string& name);

constexpr bool is_router_slot(Slot slot) { return slot == Slot::router || slot == Slot::shared_router; }

/// Bytes of the arena for a shape: routers in the type of computation, all other matrices as stored.
int64_t packed_bytes(const ModelShape& shape, kernels::WeightType stored, kernels::WeightType compute);

/// Calls visit(name, tensor) for every weight in a fixed order; matrices are unpacked for the call (tests, reports).
void for_each_weight(const ModelWeights& weights, const std::function<void(const std::string&, const Tensor&)>& visit);

}  // namespace hellora
