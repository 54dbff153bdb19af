// Frozen weights of a decoder, and loading them from a checkpoint one tensor at a time.
// D hidden, V vocabulary, E experts, F expert width, Q and K widths of queries and keys.
#pragma once

#include <vector>

#include "hellora/io/checkpoint.h"
#include "hellora/model/arch.h"
#include "hellora/moe/block.h"

namespace hellora {

struct LayerWeights {
  Tensor input_norm_D, post_norm_D;
  Tensor q_QD, k_KD, v_KD, o_DQ;
  Tensor q_norm_Q, k_norm_K;  // undefined when the family has none
  MoeWeights moe;
};

struct ModelWeights {
  Tensor embed_VD, final_norm_D, lm_head_VD;  // lm_head is embed when tied
  std::vector<LayerWeights> layers;
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

/// Calls visit(name, tensor) for every weight in a fixed order.
void for_each_weight(const ModelWeights& weights, const std::function<void(const std::string&, const Tensor&)>& visit);

}  // namespace hellora
