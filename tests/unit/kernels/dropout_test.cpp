#include "hellora/kernels/dropout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace hellora::kernels {
namespace {

template <class Real = double>
std::vector<Real> mask(RngKey key, double rate, int64_t rows, int64_t columns, const int64_t* tokens = nullptr,
                       const int64_t* experts = nullptr) {
  const std::vector<Real> ones(static_cast<size_t>(rows * columns), Real{1});
  std::vector<Real> out(ones.size(), Real{-1});
  dropout(key, rate, tokens, experts, rows, columns, ones.data(), out.data());
  return out;
}

std::vector<double> row(const std::vector<double>& values, int64_t columns, int64_t n) {
  return {values.begin() + n * columns, values.begin() + (n + 1) * columns};
}

constexpr int64_t kColumns = 37;  // no multiple of the generator's four numbers

TEST(DropoutMask, HoldsZeroOrTheInverseOfKeeping) {
  for (const double value : mask(make_key(1), 0.25, 20, kColumns)) EXPECT_TRUE(value == 0 || value == 1 / 0.75) << value;
}

TEST(DropoutMask, DropsItsShare) {
  for (const double rate : {0.05, 0.3, 0.7}) {
    const auto values = mask(make_key(2), rate, 1000, 100);
    double dropped = 0;
    for (const double value : values) dropped += value == 0 ? 1 : 0;
    const double count = 100000, deviation = std::sqrt(rate * (1 - rate) / count);
    EXPECT_NEAR(dropped / count, rate, 5 * deviation);
  }
}

TEST(DropoutMask, RateZeroKeepsEverything) {
  for (const double value : mask(make_key(3), 0, 5, kColumns)) EXPECT_EQ(value, 1);
}

TEST(DropoutMask, BelongsToTheTokenNotTheRow) {
  const int64_t forward[] = {4, 9, 2}, backward[] = {2, 9, 4};
  const auto a = mask(make_key(4), 0.5, 3, kColumns, forward), b = mask(make_key(4), 0.5, 3, kColumns, backward);
  for (int64_t n = 0; n < 3; ++n) EXPECT_EQ(row(a, kColumns, n), row(b, kColumns, 2 - n));
  EXPECT_NE(row(a, kColumns, 0), row(a, kColumns, 1));
}

TEST(DropoutMask, WithoutTokensTheRowCounts) {
  const int64_t tokens[] = {0, 1, 2};
  EXPECT_EQ(mask(make_key(5), 0.5, 3, kColumns), mask(make_key(5), 0.5, 3, kColumns, tokens));
}

TEST(DropoutMask, ExpertsDifferFromEachOtherAndFromNone) {
  const int64_t token[] = {7}, first[] = {0}, second[] = {1};
  const auto none = mask(make_key(6), 0.5, 1, kColumns, token);
  const auto a = mask(make_key(6), 0.5, 1, kColumns, token, first), b = mask(make_key(6), 0.5, 1, kColumns, token, second);
  EXPECT_NE(none, a);
  EXPECT_NE(none, b);
  EXPECT_NE(a, b);
}

TEST(DropoutMask, KeysDiffer) { EXPECT_NE(mask(make_key(7), 0.5, 2, kColumns), mask(make_key(8), 0.5, 2, kColumns)); }

TEST(DropoutMask, FloatAndDoubleDropTheSame) {
  const auto wide = mask<double>(make_key(9), 0.4, 10, kColumns);
  const auto narrow = mask<float>(make_key(9), 0.4, 10, kColumns);
  for (size_t i = 0; i < wide.size(); ++i) EXPECT_EQ(wide[i] == 0, narrow[i] == 0);
}

}  // namespace
}  // namespace hellora::kernels
