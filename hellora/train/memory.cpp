#include "hellora/train/memory.h"

#include <unistd.h>

#include <fstream>
#include <string>

namespace hellora {
namespace {

/// A "Name:  1234 kB" line of /proc/self/status or /proc/meminfo, in bytes; 0 when it is not there.
int64_t proc_bytes(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":")) return std::stoll(line.substr(name.size() + 1)) * 1024;
  }
  return 0;
}

}  // namespace

int64_t resident_bytes() { return proc_bytes("/proc/self/status", "VmRSS"); }
int64_t peak_resident_bytes() { return proc_bytes("/proc/self/status", "VmHWM"); }
int64_t machine_bytes() { return proc_bytes("/proc/meminfo", "MemTotal"); }

int64_t weight_bytes(const ModelShape& s, int64_t stored) {
  const int64_t norms = s.layers * (2 * s.hidden + (s.qk_norm_whole ? s.q_width() + s.kv_width() : 0)) + s.hidden;
  const kernels::Store store = stored == 2 ? kernels::Store::bf16 : kernels::Store::f32;
  return packed_bytes(s, store, kernels::Store::f32) + s.vocab * s.hidden * stored + norms * 4;
}

Forecast forecast_training(const ModelShape& s, const TrainingNeeds& needs) {
  constexpr int64_t kFp32 = 4;
  const int64_t k = s.router.top_k, t = needs.tokens, rows = t * k, kept = needs.saved_bytes, operand = needs.operand_bytes;
  // What waits for the backward pass, per token and layer: the inputs of both norms, of q, k, v, of router and experts, q, k, v
  // before and after norm and rope, the attention's output, and gate and up of every chosen expert. Dropout adds the inputs
  // of the low-rank parts.
  const int64_t attention = 4 * s.hidden + 3 * (s.q_width() + s.kv_width()) + (needs.dropout ? s.hidden + s.q_width() : 0);
  const int64_t per_token = kept * (attention + 2 * k * s.expert_width) + kFp32 * 4 * s.experts;
  // The widest moment of a layer's backward pass: its gradients, the packed operand, and fp32 copies of bf16 activations.
  const int64_t layer = rows * s.expert_width * kFp32 * (kept == kFp32 ? 3 : 5) +
                        rows * std::max(s.hidden, 2 * s.expert_width) * operand * 5 / 4 + 6 * t * s.hidden * kFp32;
  const int64_t head = std::min<int64_t>(512, t) * s.vocab * (kFp32 + operand);
  Forecast forecast;
  forecast.weights = needs.weights;
  forecast.adapters = 5 * needs.trainable * kFp32;  // value, gradient, two moments, the audit's copy
  forecast.activations = t * needs.adapted_layers * per_token + std::max(layer, head);
  forecast.program = int64_t{250} << 20;
  return forecast;
}

}  // namespace hellora
