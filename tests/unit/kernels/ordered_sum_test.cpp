#include "hellora/kernels/ordered_sum.h"

#include <gtest/gtest.h>

#include <vector>

#include "hellora/core/rng.h"

namespace hellora::kernels {
namespace {

template <class Real>
std::vector<Real> random_values(size_t count) {
  std::vector<Real> out;
  for (size_t i = 0; i < count; ++i) out.push_back(static_cast<Real>(2 * unit_double(make_key(count), i) - 1));
  return out;
}

TEST(OrderedSum, SmallIntegersAreExact) {
  EXPECT_EQ(ordered_sum(std::vector<float>{1, 2, 3, -10}), -4);
  EXPECT_EQ(ordered_square_sum(std::vector<float>{1, 2, 3, -10}), 114);
  EXPECT_EQ(ordered_sum(std::vector<double>{}), 0);
  std::vector<float> many;
  for (int i = 1; i <= 20000; ++i) many.push_back(static_cast<float>(i));  // several blocks and a rest
  EXPECT_EQ(ordered_sum(many), 20000.0 * 20001 / 2);
  EXPECT_EQ(ordered_square_sum(many), 20000.0 * 20001 * 40001 / 6);
}

TEST(OrderedSum, AddsFloatsInDouble) {
  // In fp32, 2^24 + 1 is 2^24: a thousand ones would vanish.
  std::vector<float> values(1001, 1.0F);
  values[0] = 16777216.0F;
  EXPECT_EQ(ordered_sum(values), 16777216.0 + 1000);
}

/// The order is the contract: blocks of 4096 from left to right, then their sums from left to right.
template <class Real>
double by_blocks(const std::vector<Real>& values, bool square) {
  double total = 0;
  for (size_t begin = 0; begin < values.size(); begin += 4096) {
    double sum = 0;
    for (size_t i = begin; i < std::min(values.size(), begin + 4096); ++i) {
      const auto v = static_cast<double>(values[i]);
      sum += square ? v * v : v;
    }
    total += sum;
  }
  return total;
}

TEST(OrderedSum, FollowsItsBlocksBitForBit) {
  for (const size_t count : {1UL, 4095UL, 4096UL, 4097UL, 50001UL}) {
    const auto narrow = random_values<float>(count);
    const auto wide = random_values<double>(count);
    EXPECT_EQ(ordered_sum(narrow), by_blocks(narrow, false)) << count;
    EXPECT_EQ(ordered_sum(wide), by_blocks(wide, false)) << count;
    EXPECT_EQ(ordered_square_sum(narrow), by_blocks(narrow, true)) << count;
    EXPECT_EQ(ordered_square_sum(wide), by_blocks(wide, true)) << count;
  }
}

}  // namespace
}  // namespace hellora::kernels
