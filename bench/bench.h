// What every benchmark shares: the rows that this processor has, a clock around the work alone, comparison with the reference, memory.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "hellora/kernels/row.h"

namespace hellora::kernels::bench {

/// The rows that this processor can run, best first.
std::vector<const KernelRow*> rows_here();

/// A benchmark "name/row/variant" on the wall clock; `body` runs with the row in force.
using Body = std::function<void(benchmark::State& state, const KernelRow& row)>;
void add_benchmark(const std::string& name, const KernelRow& row, const std::string& variant, const Body& body);

/// Counts what differs from the reference. NaN differs from everything.
class Comparison {
 public:
  void add(double got, double want, double allowed);
  /// Both are a result's bytes.
  void add_bytes(const void* got, const void* want, size_t bytes);
  /// What is wrong, empty if nothing is; comparing nothing is wrong too.
  std::string fault() const;

 private:
  int64_t compared_ = 0, wrong_ = 0;
  std::string first_;
};

/// Ends the benchmark with an error if there is a fault; true if so.
bool refuse(benchmark::State& state, const std::string& fault);
/// Benchmarks that were refused so far.
int refused();

inline double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Seconds of one `work`; `prepare` goes before each and is not counted.
template <class Prepare, class Work>
double measure(benchmark::State& state, const Prepare& prepare, const Work& work) {
  double total = 0;
  for (auto _ : state) {
    prepare();
    const double start = now();
    work();
    const double seconds = now() - start;
    state.SetIterationTime(seconds);
    total += seconds;
  }
  return total / static_cast<double>(state.iterations());
}

/// Uniform in [-half, half), a function of seed and position.
inline float value_at(uint64_t seed, int64_t position, float half) {
  return (static_cast<float>(mix64(seed, static_cast<uint64_t>(position)) >> 40) * 0x1.0p-23F - 1.0F) * half;
}
void fill(float* out, int64_t count, uint64_t seed, float half);

/// One piece of memory that all benchmarks use in turn, 64-byte aligned; what it held before is lost.
float* shared_floats(int64_t count);

void add_grouped();    // grouped_bench.cpp
void add_outer();      // outer_bench.cpp
void add_elements();   // elements_bench.cpp
void add_attention();  // attention_bench.cpp
void add_layout();     // layout_bench.cpp

}  // namespace hellora::kernels::bench
