// The sizes of OLMoE's expert layer, its frozen weights (far larger than any cache), and how rows are shared out among its experts.
#pragma once

#include <string>
#include <vector>

#include "bench/bench.h"

namespace hellora::kernels::bench {

inline constexpr int64_t kExperts = 64, kWidth = 2048, kExpertWidth = 1024;

/// Expert weights as gate and up have them: (kExpertWidth, kWidth), bf16, one after the other, 256 MiB together.
std::vector<Packed> expert_weights();

struct Distribution {
  std::string name;
  std::vector<int64_t> offsets;  // kExperts + 1 borders of the sorted rows
};

/// 0, 1, 4, 16, 64 and 256 rows for each expert, and one in which few experts have most rows and others have none.
std::vector<Distribution> distributions();

/// Allowed for a sum of k products of numbers below 1/2: about 6e-7 of the sum of their sizes, which fp32 sums stay below by half and a
/// single operand rounded to bf16 by mistake can exceed. Exactly 0 for no products.
inline double product_tolerance(int64_t k) { return 4e-8 * static_cast<double>(k); }

/// Sets the counters of a product: GFLOP/s and its share of what the row in force can do on registers, probed before and after.
class PeakShare {
 public:
  PeakShare(const KernelRow& row, Math math);
  void report(benchmark::State& state, double flops, double seconds);

 private:
  Math math_;
  bool known_;
  double before_;
};

}  // namespace hellora::kernels::bench
