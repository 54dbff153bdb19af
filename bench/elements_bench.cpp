// Kernels that go over whole rows element by element: one block of rows that stays in the cache on one thread, and far more rows than a
// cache holds on all threads.
#include <algorithm>
#include <array>
#include <cmath>

#include "bench/experts.h"
#include "hellora/kernels/dropout.h"

namespace hellora::kernels::bench {
namespace {

constexpr int64_t kBlockRows = 16;
constexpr int64_t kArrayFloats = int64_t{1} << 25;  // of each array outside the caches
constexpr int64_t kVocabulary = 50304;

/// Rows of `width` numbers; row `first` is the first in memory. A block of rows shares one row of `sums`.
template <class Real>
struct Arrays {
  int64_t width = 0, first = 0;
  std::array<Real*, 3> ins{}, outs{};
  Real *weights = nullptr, *sums = nullptr;
  double* scalars = nullptr;

  const Real* in(size_t i, int64_t row) const { return ins[i] + (row - first) * width; }
  Real* out(size_t i, int64_t row) const { return outs[i] + (row - first) * width; }
  Real* sum(int64_t row) const { return sums + (row - first) / kBlockRows * width; }
  double& scalar(int64_t row) const { return scalars[row - first]; }
};

/// One kernel: `inputs` arrays are read, `outputs` written, and read too where `updates`; numbers lie in [-half, half). A result may differ
/// from the reference in fp64 by relative * |result| + absolute.
struct Element {
  const char* name;
  int64_t width;
  size_t inputs, outputs;
  bool updates;
  float half;
  double relative, absolute;
  void (*run)(const Primitives<float>& p, const Arrays<float>& at, int64_t row) = nullptr;
  void (*reference)(const Primitives<double>& p, const Arrays<double>& at, int64_t row) = nullptr;

  double bytes() const { return static_cast<double>(inputs + outputs * (updates ? 2 : 1)) * static_cast<double>(width) * 4; }  // of a row
};

template <class Run>
Element element(Element e, Run run) {
  e.run = run;
  e.reference = run;
  return e;
}

constexpr double kEps = 1e-5;

std::vector<Element> elements() {
  return {
      element({"swiglu", kExpertWidth, 2, 1, false, 8, 1e-6, 0},
              [](const auto& p, const auto& at, int64_t r) { p.swiglu(at.in(0, r), at.in(1, r), at.width, at.out(0, r)); }),
      element({"swiglu_backward", kExpertWidth, 3, 3, false, 8, 2e-6, 2e-5},
              [](const auto& p, const auto& at, int64_t r) {
                at.scalar(r) = static_cast<double>(
                    p.swiglu_backward(at.in(0, r), at.in(1, r), at.in(2, r), 0.7F, at.width, at.out(0, r), at.out(1, r), at.out(2, r)));
              }),
      element({"rms_norm", kWidth, 1, 1, false, 1, 1e-6, 0},
              [](const auto& p, const auto& at, int64_t r) { p.rms_norm(at.in(0, r), at.weights, kEps, at.width, at.out(0, r)); }),
      element({"rms_norm_backward", kWidth, 2, 1, false, 1, 1e-6, 1e-6},
              [](const auto& p, const auto& at, int64_t r) {
                p.rms_norm_backward(at.in(0, r), at.weights, at.in(1, r), kEps, at.width, at.out(0, r), at.sum(r));
              }),
      element({"softmax_loss", kVocabulary, 0, 1, true, 8, 1e-6, 0},
              [](const auto& p, const auto& at, int64_t r) {
                at.scalar(r) = p.softmax_loss(at.out(0, r), at.width, r * 7919 % at.width, 1.0F);
              }),
      element({"axpy", kWidth, 1, 1, true, 1, 1e-6, 1e-7},
              [](const auto& p, const auto& at, int64_t r) { p.axpy(0.3F, at.in(0, r), at.width, at.out(0, r)); }),
      element({"dropout_mask", kWidth, 0, 1, false, 1, 1e-7, 0},
              [](const auto& p, const auto& at, int64_t r) {
                p.dropout_mask(make_key(5), 0.1, mask_token(r), mask_expert(7), 0, at.width, at.out(0, r));
              }),
  };
}

uint64_t input_seed(size_t i) { return 10 + i; }
uint64_t output_seed(size_t i) { return 20 + i; }
constexpr uint64_t kWeightSeed = 30;

class ElementRun {
 public:
  ElementRun(const Element& e, bool cached)
      : e_(e), cached_(cached), rows_(cached ? kBlockRows : kArrayFloats / e.width / kBlockRows * kBlockRows) {
    const int64_t array = round_up(rows_ * e.width, 16), sums = rows_ / kBlockRows * e.width;
    float* at = shared_floats(array * static_cast<int64_t>(e.inputs + e.outputs) + e.width + sums);
    for (size_t i = 0; i < e.inputs; ++i, at += array) fill(at_.ins[i] = at, array, input_seed(i), e.half);
    for (size_t i = 0; i < e.outputs; ++i, at += array) at_.outs[i] = at;
    fill(at_.weights = at, e.width, kWeightSeed, 1);
    at_.sums = at + e.width;
    scalars_.resize(static_cast<size_t>(rows_));
    at_.scalars = scalars_.data();
    at_.width = e.width;
    reset();
  }

  /// Outputs as they were before the first run.
  void reset() {
    for (size_t i = 0; i < e_.outputs; ++i) fill(at_.outs[i], rows_ * e_.width, output_seed(i), e_.half);
    std::fill(at_.sums, at_.sums + rows_ / kBlockRows * e_.width, 0.0F);
  }

  /// One block again and again, so that the clock has something to measure; or all blocks once.
  void run(const KernelRow& row) {
    if (cached_) {
      for (int64_t pass = 0; pass < passes(); ++pass) run_block(row, 0);
      return;
    }
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < rows_; first += kBlockRows) run_block(row, first);
  }

  /// Runs every row once and compares the first, a middle and the last block.
  std::string fault(const KernelRow& row) {
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < rows_; first += kBlockRows) run_block(row, first);
    Comparison comparison;
    for (const int64_t block : {int64_t{0}, rows_ / kBlockRows * 2 / 3, rows_ / kBlockRows - 1}) compare(block * kBlockRows, comparison);
    return comparison.fault();
  }

  double bytes() const { return e_.bytes() * static_cast<double>(rows_ * passes()); }

 private:
  int64_t passes() const { return cached_ ? std::max<int64_t>(1, (int64_t{1} << 20) / (kBlockRows * e_.width)) : 1; }

  void run_block(const KernelRow& row, int64_t first) const {
    for (int64_t r = first; r < first + kBlockRows; ++r) e_.run(*row.f32, at_, r);
  }

  void compare(int64_t first, Comparison& comparison) const {
    const int64_t count = kBlockRows * e_.width, begin = first * e_.width;
    std::array<std::vector<double>, 3> ins, outs;
    std::vector<double> weights(at_.weights, at_.weights + e_.width), sums(weights.size()), scalars(kBlockRows);
    Arrays<double> want{e_.width, first, {}, {}, weights.data(), sums.data(), scalars.data()};
    for (size_t i = 0; i < e_.inputs; ++i) {
      ins[i].assign(at_.ins[i] + begin, at_.ins[i] + begin + count);
      want.ins[i] = ins[i].data();
    }
    for (size_t i = 0; i < e_.outputs; ++i) {
      for (int64_t j = 0; j < count; ++j) outs[i].push_back(value_at(output_seed(i), begin + j, e_.half));
      want.outs[i] = outs[i].data();
    }
    for (int64_t r = first; r < first + kBlockRows; ++r) e_.reference(reference_f64(), want, r);
    const auto add = [&](double got, double exact, double terms) {
      comparison.add(got, exact, e_.relative * std::abs(exact) + e_.absolute * terms);
    };
    for (size_t i = 0; i < e_.outputs; ++i) {
      for (int64_t j = 0; j < count; ++j) add(at_.outs[i][begin + j], outs[i][static_cast<size_t>(j)], 1);
    }
    for (int64_t c = 0; c < e_.width; ++c) add(at_.sum(first)[c], sums[static_cast<size_t>(c)], kBlockRows);
    for (int64_t r = first; r < first + kBlockRows; ++r) add(at_.scalar(r), want.scalar(r), static_cast<double>(e_.width));
  }

  Element e_;
  bool cached_;
  int64_t rows_;
  Arrays<float> at_;
  std::vector<double> scalars_;
};

Body body(const Element& e, bool cached) {
  return [=](benchmark::State& state, const KernelRow& row) {
    ElementRun run(e, cached);
    if (refuse(state, run.fault(row))) return;
    const auto prepare = [&] {
      if (e.updates) run.reset();
    };
    const double seconds = measure(state, prepare, [&] { run.run(row); });
    state.counters["GB/s"] = run.bytes() / seconds * 1e-9;
  };
}

}  // namespace

void add_elements() {
  for (const Element& e : elements()) {
    for (const KernelRow* row : rows_here()) {
      add_benchmark(e.name, *row, "cached", body(e, true));
      add_benchmark(e.name, *row, "memory", body(e, false));
    }
  }
}

}  // namespace hellora::kernels::bench
