#include "bench/bench.h"

#include <cmath>
#include <cstring>
#include <sstream>

#include "hellora/kernels/buffer.h"

namespace hellora::kernels::bench {
namespace {

int& refused_count() {
  static int count = 0;
  return count;
}

}  // namespace

std::vector<const KernelRow*> rows_here() {
  std::vector<const KernelRow*> rows;
  for (const KernelRow& row : kernel_rows()) {
    if (row.why_not().empty()) rows.push_back(&row);
  }
  return rows;
}

void add_benchmark(const std::string& name, const KernelRow& row, const std::string& variant, const Body& body) {
  const std::string full = name + "/" + std::string(row.name) + "/" + variant;
  benchmark::RegisterBenchmark(full.c_str(),
                               [body, &row](benchmark::State& state) {
                                 force_row(std::string(row.name));
                                 body(state, row);
                               })
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

void Comparison::add(double got, double want, double allowed) {
  ++compared_;
  if (std::abs(got - want) <= allowed) return;
  if (wrong_++ > 0) return;
  std::ostringstream text;
  text.precision(9);
  text << got << " where the reference row has " << want << ", allowed difference " << allowed;
  first_ = text.str();
}

void Comparison::add_bytes(const void* got, const void* want, size_t bytes) {
  ++compared_;
  if (std::memcmp(got, want, bytes) == 0 || wrong_++ > 0) return;
  first_ = "not the bytes of the reference row";
}

std::string Comparison::fault() const {
  if (compared_ == 0) return "nothing was compared";
  if (wrong_ == 0) return "";
  return std::to_string(wrong_) + " of " + std::to_string(compared_) + " compared are wrong: " + first_;
}

bool refuse(benchmark::State& state, const std::string& fault) {
  if (fault.empty()) return false;
  ++refused_count();
  state.SkipWithError(fault.c_str());
  return true;
}

int refused() { return refused_count(); }

void fill(float* out, int64_t count, uint64_t seed, float half) {
#pragma omp parallel for schedule(static) if (count > (1 << 20))  // what fits into a cache shall be in the caller's
  for (int64_t i = 0; i < count; ++i) out[i] = value_at(seed, i, half);
}

float* shared_floats(int64_t count) {
  static Scratch scratch;
  return scratch.get_as<float>(count);
}

}  // namespace hellora::kernels::bench
