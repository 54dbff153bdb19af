#include "bench/product.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace hellora::kernels::bench {
Product::Product(Direction direction, Math math, const std::vector<int64_t>& offsets)
    : direction_(direction),
      math_(math),
      offsets_(offsets),
      weights_(expert_weights()),
      in_(direction == Direction::forward ? kWidth : kExpertWidth),
      out_(direction == Direction::forward ? kExpertWidth : kWidth),
      x_(shared_floats(rows() * in_ + (rows() + 1) * out_)),
      y_(x_ + rows() * in_) {
  fill(x_, rows() * in_, 2, 0.5F);
}

void Product::run() {
  const std::vector<int64_t> columns(static_cast<size_t>(kExperts), padded(in_));
  const Operand<float> operand(math_, offsets_, columns, scratch_);
  const auto tiles = static_cast<int64_t>(operand.tiles().size());
#pragma omp parallel for schedule(dynamic)
  for (int64_t t = 0; t < tiles; ++t) operand.fill(static_cast<size_t>(t), 0, Rows<float>{x_, in_, nullptr}, in_, padded(in_));
  const TermsOf terms = [this](int64_t expert, std::vector<Term>& out) { out.push_back({0, weights_[static_cast<size_t>(expert)]}); };
  const TileDone<float> done = [this](const RowTile& tile, int64_t column, int64_t panels, const float* c, int64_t ldc) {
    for (int64_t r = 0; r < tile.rows; ++r) {
      std::copy(c + r * ldc, c + r * ldc + std::min(panels * kPanel, out_ - column), y_ + (tile.first + r) * out_ + column);
    }
  };
  if (direction_ == Direction::forward) {
    multiply_forward<float>(operand, out_, terms, {}, done);
  } else {
    multiply_backward<float>(operand, out_, terms, {}, done);
  }
}

double Product::weight_bytes() const {
  double bytes = 0;
  for (size_t e = 0; e < weights_.size(); ++e) bytes += offsets_[e + 1] > offsets_[e] ? static_cast<double>(weights_[e].bytes()) : 0;
  return bytes;
}

int64_t Product::unwritten() const {
  int64_t count = 0;
#pragma omp parallel for schedule(static) reduction(+ : count)
  for (int64_t i = 0; i < rows() * out_; ++i) count += std::isnan(y_[i]) ? 1 : 0;
  return count;
}

void Product::compare(int64_t expert, int64_t row, int64_t panel, Comparison& comparison) const {
  const Primitives<double>& reference = reference_f64();
  const Packed& w = weights_[static_cast<size_t>(expert)];
  const std::vector<double> x(x_ + row * in_, x_ + (row + 1) * in_);
  const double* source = x.data();
  std::vector<double> strip(static_cast<size_t>(padded(in_)));
  reference.pack(math_, 1, &source, in_, padded(in_), strip.data());
  std::vector<uint16_t> transposed(static_cast<size_t>(padded(in_) * kPanel));
  if (direction_ == Direction::input_gradient) reference.transpose(w, panel * kPanel, 0, w.panels(), transposed.data());
  const void* b = direction_ == Direction::forward ? static_cast<const void*>(w.panel(panel)) : transposed.data();
  const Segment segment{strip.data(), 1, b, w.store, padded(in_)};
  std::array<double, kPanel> want{};
  reference.tile(math_, 1, &segment, 1, want.data(), kPanel, false);
  for (int64_t i = 0; i < kPanel; ++i)
    comparison.add(y_[row * out_ + panel * kPanel + i], want[static_cast<size_t>(i)], product_tolerance(in_));
}

std::string Product::fault() {
  std::fill(y_, y_ + (rows() + 1) * out_, std::numeric_limits<float>::quiet_NaN());
  run();
  if (const int64_t count = unwritten(); count > 0) return std::to_string(count) + " elements are NaN or were not written";
  const float* behind = y_ + rows() * out_;
  if (!std::all_of(behind, behind + out_, [](float v) { return std::isnan(v); })) return "wrote behind the last row";
  if (rows() == 0) return "";
  Comparison comparison;
  const int64_t panels = out_ / kPanel;
  for (int64_t e = 0; e < kExperts; ++e) {
    const int64_t first = offsets_[static_cast<size_t>(e)], count = offsets_[static_cast<size_t>(e) + 1] - first;
    if (count == 0) continue;
    compare(e, first + e % count, e % panels, comparison);  // over all experts this meets every panel, and every row of a tile
    compare(e, first + (e * 5 + count / 2) % count, (e * 7 + 3) % panels, comparison);
    compare(e, first + count - 1, panels - 1 - e % panels, comparison);
  }
  return comparison.fault();
}

}  // namespace hellora::kernels::bench
