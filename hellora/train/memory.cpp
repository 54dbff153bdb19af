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
    const int64_t own =
        needs.saved_bytes * (attention_values(s, needs.dropout) + 2 * gated) + (s.routed(layer) ? kFp32 * 4 * s.experts : 0);
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
