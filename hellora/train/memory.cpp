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
  const int64_t attention = s.hidden * (2 * s.q_width() + 2 * s.kv_width());
  const int64_t experts = 3 * s.experts * s.hidden * s.expert_width;
  const int64_t matrices = s.layers * (attention + experts) + (s.tied_embeddings ? 1 : 2) * s.vocab * s.hidden;
  const int64_t wide = s.layers * (s.experts * s.hidden + 2 * s.hidden + s.q_width() + s.kv_width()) + s.hidden;
  return matrices * stored + wide * 4;
}

Forecast forecast_training(const ModelShape& s, int64_t weights, int64_t trainable, int64_t tokens, int64_t adapted_layers) {
  constexpr int64_t kFp32 = 4;
  const int64_t k = s.router.top_k;
  // What autograd keeps per token and layer: the stream, norms, q, k, v with norm and rope, attention, and per chosen
  // expert the gathered input, gate, up, SwiGLU parts and outputs.
  const int64_t attention = 8 * s.hidden + 6 * (s.q_width() + s.kv_width());
  const int64_t moe = k * (4 * s.hidden + 5 * s.expert_width) + 3 * s.experts;
  const int64_t head = 3 * 256 * s.vocab;  // one chunk of logits, its softmax and gradient
  const int64_t widest = std::max(s.vocab * std::min<int64_t>(128, s.hidden), s.hidden * s.expert_width);
  Forecast forecast;
  forecast.weights = weights;
  forecast.adapters = 5 * trainable * kFp32;  // value, gradient, two moments, the audit's copy
  forecast.activations = kFp32 * (tokens * adapted_layers * (attention + moe) + head + 2 * widest);
  forecast.program = int64_t{220} << 20;
  return forecast;
}

}  // namespace hellora
