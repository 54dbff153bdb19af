#include "bench/experts.h"

#include "bench/bench.h"
#include "hellora/kernels/bf16.h"
#include "hellora/kernels/buffer.h"
#include "hellora/kernels/probe.h"

namespace hellora::kernels::bench {
namespace {

Distribution distribution(const std::string& name, const std::function<int64_t(int64_t expert)>& rows) {
  Distribution d{name, {0}};
  for (int64_t e = 0; e < kExperts; ++e) d.offsets.push_back(d.offsets.back() + rows(e));
  return d;
}

/// Shares fall with the square of an expert's rank; ranks are scattered over the experts.
int64_t skewed_rows(int64_t expert) {
  constexpr int64_t kLargest = 2500;  // about 4000 rows in all, 64 an expert on average
  const int64_t rank = expert * 29 % kExperts + 1;
  return kLargest / (rank * rank);
}

}  // namespace

std::vector<Packed> expert_weights() {
  const int64_t one = Packed{nullptr, WeightType::bf16, kExpertWidth, kWidth}.bytes();
  static const Block block = [one] {
    Block fresh(static_cast<size_t>(one * kExperts));
    auto* words = reinterpret_cast<uint16_t*>(fresh.data());
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < one * kExperts / 2; ++i) words[i] = round_bf16(value_at(1, i, 0.5F));
    return fresh;
  }();
  std::vector<Packed> weights;
  for (int64_t e = 0; e < kExperts; ++e) weights.push_back({block.data() + e * one, WeightType::bf16, kExpertWidth, kWidth});
  return weights;
}

std::vector<Distribution> distributions() {
  std::vector<Distribution> all;
  for (const int64_t rows : {0, 1, 4, 16, 64, 256}) {
    all.push_back(distribution("rows:" + std::to_string(rows), [rows](int64_t) { return rows; }));
  }
  all.push_back(distribution("rows:skewed", skewed_rows));
  return all;
}

PeakShare::PeakShare(const KernelRow& row, Math math)
    : math_(math),
      known_(row.name != "reference"),  // whose probe measures a store's latency, not arithmetic
      before_(known_ ? probe_arithmetic(math) : 0) {}

void PeakShare::report(benchmark::State& state, double flops, double seconds) {
  if (flops == 0 || seconds == 0) return;
  state.counters["GFLOP/s"] = flops / seconds * 1e-9;
  if (known_) state.counters["of_peak"] = flops / seconds / ((before_ + probe_arithmetic(math_)) / 2);
}

}  // namespace hellora::kernels::bench
