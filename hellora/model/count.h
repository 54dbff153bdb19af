// Parameters and forward FLOPs from a shape alone.
#pragma once

#include "hellora/adapters/config.h"
#include "hellora/adapters/plan.h"
#include "hellora/model/shape.h"

namespace hellora {

/// All parameters of the model; tied embeddings count once.
int64_t count_base(const ModelShape& shape);
/// Parameters one token passes through (embeddings included).
int64_t count_active(const ModelShape& shape);
/// Parameters of a method on a plan that learn; those that it keeps from learning are left out.
int64_t count_trainable(const ModelShape& shape, const AdapterConfig& config, const Plan& plan);

/// Elements of an adapter in memory.
struct AdapterElements {
  int64_t trained = 0;  // with gradient and moments, whether they learn or not
  int64_t frozen = 0;
  int64_t experts = 0;  // adapted ones of the layer that has most
};
AdapterElements count_elements(const ModelShape& shape, const AdapterConfig& config, const Plan& plan);
/// Forward FLOPs per token, 2 per multiply-add, without attention scores and embedding look-up.
double base_flops(const ModelShape& shape);
/// Forward FLOPs of attention scores and values per token and position that it sees.
double attention_flops(const ModelShape& shape);
/// Forward FLOPs per token of LoRA: every non-expert pair, and the expert pairs of `coverage` · top-k expert visits.
/// `rank` is uniform; `targets` resolved.
double adapter_flops(const ModelShape& shape, const AdapterConfig& config, double coverage);

struct Ratios {
  double raw = 0;             // q / p
  double of_percentages = 0;  // [q/(N+q)] / [p/(N+p)]
};
Ratios count_ratios(int64_t base, int64_t trainable, int64_t trainable_all);

}  // namespace hellora
