#include "hellora/train/memory.h"

#include "hellora/io/memory_limit.h"
#include "hellora/model/slots.h"

namespace hellora {
int64_t resident_bytes() { return proc_bytes("/proc/self/status", "VmRSS"); }
int64_t peak_resident_bytes() { return proc_bytes("/proc/self/status", "VmHWM"); }
int64_t machine_bytes() { return memory_limit().bytes; }
std::string machine_text() { return describe(memory_limit()); }

int64_t weight_bytes(const ModelShape& s, int64_t stored) {
  int64_t vectors = 0;
  for_each_slot(s, [&](Slot slot, int64_t) { vectors += is_vector_slot(slot) ? slot_sizes(s, slot).second : 0; });
  const kernels::WeightType store = stored == 2 ? kernels::WeightType::bf16 : kernels::WeightType::f32;
  return packed_bytes(s, store, kernels::WeightType::f32) + s.vocab * s.hidden * stored + vectors * 4;
}

namespace {

constexpr int64_t kFp32 = 4;

/// Values of a layer's attention that wait for the backward pass, per token: the inputs of both norms, of q, k, v, of router and
/// experts, q, k, v before and after norm and rope, and the attention's output. Dropout adds the inputs of the low-rank parts.
int64_t attention_values(const ModelShape& s, bool dropout) {
  const int64_t dropped = dropout ? s.hidden + s.o_width() : 0;
  if (!s.has_latent()) return 4 * s.hidden + 3 * (s.q_width() + s.kv_width()) + dropped;
  // Keys and values are spread out to all heads, values to the width of keys.
  return 4 * s.hidden + 4 * s.q_width() + s.o_width() + 2 * (s.latent.q_rank + s.latent.kv_rank) + s.latent.rope + dropped;
}

/// Values of rows that wait beside these where experts are composed of grouped products: h and the output y of each row, and of
/// adapted rows gate, up and y before they are scaled; with dropout also their dropped inputs.
double composed_values(const ModelShape& s, double rows, int64_t width, double share, bool dropout) {
  const auto f = static_cast<double>(width), d = static_cast<double>(s.hidden);
  return rows * (f + d + share * (2 * f + d + (dropout ? f + d : 0)));
}

/// The same of a layer, per token: its experts, and what every token passes.
int64_t composed_values(const ModelShape& s, int64_t layer, const TrainingNeeds& needs) {
  if (needs.composed_share <= 0) return 0;
  const auto of = [&](double rows, int64_t width, double share) { return composed_values(s, rows, width, share, needs.dropout); };
  const double maps = static_cast<double>(s.q_width() + s.kv_width() + s.hidden);  // q, k, v and o before they are scaled
  const double gated = s.routed(layer) ? of(static_cast<double>(s.router.top_k), s.expert_width, needs.composed_share) +
                                             (s.shared_width > 0 ? of(1, s.shared_width, 1) : 0)
                                       : of(1, s.dense_width, 1);
  return static_cast<int64_t>(maps + gated);
}

/// The widest moment of a gated MLP's backward pass: its gradients, the packed operand, and fp32 copies of bf16 activations.
int64_t backward_peak(const ModelShape& s, int64_t rows, int64_t width, const TrainingNeeds& needs) {
  return rows * width * kFp32 * (needs.saved_bytes == kFp32 ? 3 : 5) + rows * std::max(s.hidden, 2 * width) * needs.operand_bytes * 5 / 4;
}

}  // namespace

Forecast forecast_training(const ModelShape& s, const TrainingNeeds& needs) {
  const int64_t k = s.router.top_k, t = needs.tokens, operand = needs.operand_bytes;
  int64_t waiting = 0, widest = 0, largest = 0;
  for (int64_t layer = s.layers - needs.adapted_layers; layer < s.layers; ++layer) {
    const int64_t gated = s.routed(layer) ? k * s.expert_width + s.shared_width : s.dense_width;
    const int64_t own = needs.saved_bytes * (attention_values(s, needs.dropout) + 2 * gated + composed_values(s, layer, needs)) +
                        (s.routed(layer) ? kFp32 * 4 * s.experts : 0);
    largest = std::max(largest, own);
    waiting += needs.recompute ? s.hidden * kFp32 : own;
    const int64_t peak = s.routed(layer)
                             ? std::max(backward_peak(s, t * k, s.expert_width, needs), backward_peak(s, t, s.shared_width, needs))
                             : backward_peak(s, t, s.dense_width, needs);
    widest = std::max(widest, peak + 6 * t * s.hidden * kFp32);
  }
  if (needs.recompute) waiting += largest;  // of one layer at a time: the last one, which is not computed again, or the one in work
  const int64_t head = std::min<int64_t>(512, t) * s.vocab * (kFp32 + operand);
  Forecast forecast;
  forecast.weights = needs.weights;
  // Value, gradient, two moments, the audit's copy.
  forecast.adapters = needs.trainable * (5 * kFp32 + needs.step_bytes) + needs.frozen * kFp32 + needs.kept;
  forecast.activations = t * waiting + std::max(widest, head);
  forecast.program = int64_t{250} << 20;
  return forecast;
}

}  // namespace hellora
