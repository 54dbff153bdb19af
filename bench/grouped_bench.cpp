// Grouped products at OLMoE's widths: forward (2048 -> 1024) and input gradient, bf16 weights, in bf16 and fp32 arithmetic.
#include "bench/product.h"
#include "hellora/kernels/probe.h"

namespace hellora::kernels::bench {
namespace {

Body body(Direction direction, Math math, const std::vector<int64_t>& offsets) {
  return [=](benchmark::State& state, const KernelRow& row) {
    Product product(direction, math, offsets);
    if (refuse(state, product.fault())) return;
    PeakShare peak(row, math);
    const double seconds = measure(
        state, [] {}, [&] { product.run(); });
    peak.report(state, product.flops(), seconds);
    if (product.weight_bytes() == 0) return;
    state.counters["weights_GB/s"] = product.weight_bytes() / seconds * 1e-9;
    state.counters["of_reading"] = product.weight_bytes() / seconds / probe_reading(product.memory());
  };
}

void add_arithmetic(const std::string& name, Direction direction, const KernelRow& row, Math math) {
  for (const Distribution& d : distributions()) {
    const bool quick = d.offsets.back() <= kExperts;
    if (row.name == "reference" && !quick) continue;  // minutes of plain loops
    add_benchmark(name, row, (math == Math::bf16 ? "bf16/" : "fp32/") + d.name, body(direction, math, d.offsets));
  }
}

}  // namespace

void add_grouped() {
  for (const KernelRow* row : rows_here()) {
    for (const Math math : {Math::bf16, Math::full}) {
      if (math == Math::bf16 && !row->bf16_products) continue;  // such a row leaves bf16 to the reference
      add_arithmetic("forward", Direction::forward, *row, math);
      add_arithmetic("input_gradient", Direction::input_gradient, *row, math);
    }
  }
}

}  // namespace hellora::kernels::bench
