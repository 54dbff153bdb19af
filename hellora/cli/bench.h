// The measurements behind `hellora bench`.
#pragma once

#include "hellora/cli/command.h"

namespace hellora {

struct GemmOptions {
  int64_t rows = 64, experts = 64, in = 2048, out = 1024, repeats = 7;
  std::string matmul = "auto";
  void declare(CLI::App& app);
};

struct StepOptions {
  std::string arch = "olmoe-1b-7b", method = "lora", weights = "bf16", matmul = "auto", saved = "auto", routing;
  int64_t layers = 2, tokens = 2048, length = 512, hot = 8, busy = 0, rank = 32, steps = 3;
  double dropout = 0, hot_share = 0.53, supervised = 1;
  bool checkpointing = false;
  int64_t busy_experts() const { return busy > 0 ? busy : hot; }
  void declare(CLI::App& app);
};

/// {rows, matmul, forward: {gflops, fraction}, input_gradient: {gflops, fraction}, probe: {gflops}}
int bench_gemm(const GemmOptions& options, bool json);

/// {tokens_per_second, seconds by phase, probe, fraction_of_limit, peak_rss_bytes, …}
int bench_step(const StepOptions& options, uint64_t seed, bool json);

}  // namespace hellora
