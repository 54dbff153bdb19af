#include "hellora/core/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace hellora {
namespace {

using Block = std::array<uint32_t, 4>;

// philox4x32-10 in the known-answer file of Random123 (kat_vectors).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox({0, 0}, {0, 0, 0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox({kOnes, kOnes}, {kOnes, kOnes, kOnes, kOnes}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0xa4093822, 0x299f31d0}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, PositionsUseAll64Bits) {
  const Block low = philox({1, 2}, {5, 0, 0, 0}), high = philox({1, 2}, {5, 3, 0, 0});
  EXPECT_EQ(random_u64({1, 2}, 5), (uint64_t{low[1]} << 32) | low[0]);
  EXPECT_EQ(random_u64({1, 2}, (uint64_t{3} << 32) | 5), (uint64_t{high[1]} << 32) | high[0]);
}

TEST(UnitNumbers, StayBelowOne) {
  EXPECT_EQ(unit_float(0), 0.0F);
  EXPECT_EQ(unit_float(0xffffffff), 1.0F - 0x1.0p-24F);
  EXPECT_EQ(unit_float(0x80000000), 0.5F);
}

TEST(UnitNumbers, MeanAndVarianceOfAUniform) {
  constexpr int kCount = 100'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double value = unit_double(make_key(7, 1), static_cast<uint64_t>(i));
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
    squares += value * value;
  }
  const double mean = sum / kCount;
  EXPECT_NEAR(mean, 0.5, 5 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(squares / kCount - mean * mean, 1.0 / 12, 0.002);
}

TEST(Keys, DifferByEveryPartAndByOrder) {
  std::set<uint64_t> seen;
  const auto add = [&](RngKey key) { return seen.insert((uint64_t{key.high} << 32) | key.low).second; };
  for (int a = -3; a <= 3; ++a) {
    for (int b = 0; b < 50; ++b) {
      for (int c = 0; c < 50; ++c) EXPECT_TRUE(add(make_key(a, b, c)));
    }
  }
  EXPECT_TRUE(add(make_key(1, 2)));
  EXPECT_TRUE(add(make_key(2, 1)));
  EXPECT_TRUE(add(make_key()));
}

TEST(Mix64, IsSplitMix64) {
  // First output of SplitMix64 seeded with 0 and with 1234567 (Vigna's reference program).
  EXPECT_EQ(mix64(0, 0), 0xE220A8397B1DCDAFULL);
  EXPECT_EQ(mix64(1234567, 0), 6457827717110365317ULL);
}

TEST(HashText, SeparatesTexts) {
  std::set<uint64_t> seen;
  for (const char* text : {"", "a", "b", "ab", "ba", "aa", "\xFF"}) EXPECT_TRUE(seen.insert(hash_text(text)).second) << text;
  EXPECT_NE(hash_text(std::string_view("\0", 1)), hash_text(""));
}

}  // namespace
}  // namespace hellora
