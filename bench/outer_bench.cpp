// Outer products of grouped rows, as weight gradients add them up: of a low-rank A (rank 32) and of a whole expert matrix.
#include <algorithm>
#include <array>

#include "bench/experts.h"
#include "hellora/kernels/grouped.h"

namespace hellora::kernels::bench {
namespace {

class Outer {
 public:
  Outer(int64_t height, const std::vector<int64_t>& offsets)
      : height_(height),
        offsets_(offsets),
        left_(shared_floats(rows() * (height + kWidth) + size())),
        right_(left_ + rows() * height),
        out_(right_ + rows() * kWidth) {
    fill(left_, rows() * height_, 3, 0.5F);
    fill(right_, rows() * kWidth, 4, 0.5F);
  }

  void run() {
    add_outer<float>(offsets_, Rows<float>{left_, height_, nullptr}, height_, Rows<float>{right_, kWidth, nullptr}, kWidth,
                     [this](int64_t expert) {
                       return Target<float>{matrix(expert), kWidth, 1};
                     });
  }

  /// Starts from zero, runs once, and compares 32 columns of some rows of each expert's matrix.
  std::string fault() {
    std::fill(out_, out_ + size(), 0.0F);
    run();
    Comparison comparison;
    for (int64_t e = 0; e < kExperts; ++e) {
      for (const int64_t i : {int64_t{0}, (e * 5 + 1) % height_, height_ - 1}) compare(e, i, (e * 7 + i) % (kWidth / kPanel), comparison);
    }
    return comparison.fault();
  }

  double flops() const { return 2.0 * static_cast<double>(rows()) * static_cast<double>(height_ * kWidth); }

 private:
  int64_t rows() const { return offsets_.back(); }
  int64_t size() const { return kExperts * height_ * kWidth; }
  float* matrix(int64_t expert) const { return out_ + expert * height_ * kWidth; }

  void compare(int64_t expert, int64_t i, int64_t panel, Comparison& comparison) const {
    const int64_t first = offsets_[static_cast<size_t>(expert)], count = offsets_[static_cast<size_t>(expert) + 1] - first;
    std::vector<double> a, b;
    for (int64_t r = first; r < first + count; ++r) {
      a.push_back(left_[r * height_ + i]);
      b.insert(b.end(), right_ + r * kWidth + panel * kPanel, right_ + r * kWidth + (panel + 1) * kPanel);
    }
    const Segment segment{a.data(), 1, b.data(), WeightType::f64, count};
    std::array<double, kPanel> want{};
    reference_f64().tile(Math::full, 1, &segment, 1, want.data(), kPanel, false);
    for (int64_t j = 0; j < kPanel; ++j) {
      comparison.add(matrix(expert)[i * kWidth + panel * kPanel + j], want[static_cast<size_t>(j)], product_tolerance(count));
    }
  }

  int64_t height_;
  std::vector<int64_t> offsets_;
  float *left_, *right_, *out_;
};

Body body(int64_t height, const std::vector<int64_t>& offsets) {
  return [=](benchmark::State& state, const KernelRow& row) {
    Outer outer(height, offsets);
    if (refuse(state, outer.fault())) return;
    PeakShare peak(row, Math::full);
    const double seconds = measure(
        state, [] {}, [&] { outer.run(); });
    peak.report(state, outer.flops(), seconds);
  };
}

}  // namespace

void add_outer() {
  for (const KernelRow* row : rows_here()) {
    for (const Distribution& d : distributions()) {
      if (row->name == "reference" && d.offsets.back() > kExperts) continue;
      add_benchmark("outer_rank32", *row, "fp32/" + d.name, body(32, d.offsets));
      add_benchmark("outer_whole", *row, "fp32/" + d.name, body(kExpertWidth, d.offsets));
    }
  }
}

}  // namespace hellora::kernels::bench
