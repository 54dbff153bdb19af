// bench_kernels: time and rate of the kernels, of every row that this processor has. Exit code 1 when a result was wrong or nothing ran.
#ifdef _OPENMP
#include <omp.h>
#endif

#include "bench/bench.h"

namespace {

void describe() {
  using namespace hellora::kernels;
  for (const KernelRow& row : kernel_rows()) {
    const std::string reason = row.why_not();
    benchmark::AddCustomContext("row " + std::string(row.name), reason.empty() ? std::string(row.summary) : "left out: " + reason);
  }
#ifdef _OPENMP
  benchmark::AddCustomContext("threads", std::to_string(omp_get_max_threads()));
#else
  benchmark::AddCustomContext("threads", "1 (built without OpenMP)");
#endif
}

}  // namespace

int main(int argc, char** argv) {
  using namespace hellora::kernels::bench;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  describe();
  add_grouped();
  add_outer();
  add_elements();
  add_attention();
  add_layout();
  const size_t ran = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return ran == 0 || refused() > 0 ? 1 : 0;
}
