#include "hellora/kernels/ordered_sum.h"

#include <algorithm>
#include <vector>

namespace hellora::kernels {
namespace {

constexpr int64_t kBlock = 4096;

template <class Real, class Term>
double blocked(std::span<const Real> values, Term term) {
  const auto n = static_cast<int64_t>(values.size());
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  std::vector<double> partial(static_cast<size_t>(blocks));
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < blocks; ++b) {
    double sum = 0;
    const int64_t end = std::min(n, (b + 1) * kBlock);
    for (int64_t i = b * kBlock; i < end; ++i) sum += term(static_cast<double>(values[static_cast<size_t>(i)]));
    partial[static_cast<size_t>(b)] = sum;
  }
  double total = 0;
  for (const double sum : partial) total += sum;
  return total;
}

constexpr auto kValue = [](double v) { return v; };
constexpr auto kSquare = [](double v) { return v * v; };

}  // namespace

double ordered_sum(std::span<const float> values) { return blocked(values, kValue); }
double ordered_sum(std::span<const double> values) { return blocked(values, kValue); }
double ordered_square_sum(std::span<const float> values) { return blocked(values, kSquare); }
double ordered_square_sum(std::span<const double> values) { return blocked(values, kSquare); }

}  // namespace hellora::kernels
