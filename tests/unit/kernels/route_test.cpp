#include "hellora/kernels/route.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "hellora/core/rng.h"

namespace hellora::kernels {
namespace {

using Ids = std::vector<int64_t>;

template <class Real>
Ids choose(const std::vector<Real>& prob_TE, int64_t experts, int64_t k) {
  const auto rows = static_cast<int64_t>(prob_TE.size()) / experts;
  Ids ids(static_cast<size_t>(rows * k));
  top_k(prob_TE.data(), rows, experts, k, ids.data());
  return ids;
}

TEST(TopK, LargestFirst) { EXPECT_EQ(choose<double>({0.1, 0.4, 0.2, 0.3}, 4, 3), (Ids{1, 3, 2})); }

TEST(TopK, TiesGoToTheLowerId) {
  EXPECT_EQ(choose<float>({0.25F, 0.25F, 0.25F, 0.25F}, 4, 2), (Ids{0, 1}));
  EXPECT_EQ(choose<float>({0.1F, 0.3F, 0.3F, 0.3F}, 4, 2), (Ids{1, 2}));
  EXPECT_EQ(choose<float>({0.2F, 0.2F, 0.6F, 0.0F}, 4, 3), (Ids{2, 0, 1}));
}

TEST(TopK, RowsAreIndependent) { EXPECT_EQ(choose<double>({0.9, 0.1, 0.2, 0.8, 0.5, 0.5}, 2, 1), (Ids{0, 1, 0})); }

TEST(TopK, AllExpertsCanBeChosen) { EXPECT_EQ(choose<double>({0.2, 0.5, 0.3}, 3, 3), (Ids{1, 2, 0})); }

TEST(TopK, NanIsSmallestAndNoExpertIsChosenTwice) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(choose<double>({nan, 0.0, 0.5}, 3, 2), (Ids{2, 1}));
  EXPECT_EQ(choose<double>({nan, nan, nan}, 3, 3), (Ids{0, 1, 2}));
}

TEST(TopK, RefusesImpossibleK) {
  EXPECT_THROW(choose<double>({0.5, 0.5}, 2, 3), std::logic_error);
  EXPECT_THROW(choose<double>({0.5, 0.5}, 2, 0), std::logic_error);
}

/// Against a stable sort of the row, on random rows with many equal values.
TEST(TopK, EqualsStableSort) {
  const RngKey key = make_key(7);
  for (uint64_t round = 0; round < 200; ++round) {
    const auto experts = static_cast<int64_t>(1 + random_u64(key, 3 * round) % 20);
    const auto k = static_cast<int64_t>(1 + random_u64(key, 3 * round + 1) % static_cast<uint64_t>(experts));
    std::vector<float> row;
    for (int64_t e = 0; e < experts; ++e) row.push_back(static_cast<float>(random_u64(key, 1000 * round + static_cast<uint64_t>(e)) % 5));
    Ids want(static_cast<size_t>(experts));
    std::iota(want.begin(), want.end(), int64_t{0});
    std::stable_sort(want.begin(), want.end(),
                     [&](int64_t a, int64_t b) { return row[static_cast<size_t>(a)] > row[static_cast<size_t>(b)]; });
    want.resize(static_cast<size_t>(k));
    EXPECT_EQ(choose(row, experts, k), want) << "round " << round;
  }
}

TEST(SortByExpert, SmallExample) {
  // Three tokens, two choices each, three experts; expert 2 is adapted and comes first.
  const ExpertOrder order = sort_by_expert(Ids{0, 2, 2, 1, 1, 0}, 2, Ids{1, 2, 0});
  EXPECT_EQ(order.offsets, (Ids{0, 2, 4, 6}));
  EXPECT_EQ(order.source_N, (Ids{1, 2, 0, 5, 3, 4}));
  EXPECT_EQ(order.token_N, (Ids{0, 1, 0, 2, 1, 2}));
  EXPECT_EQ(order.sorted_TK, (Ids{2, 0, 1, 4, 5, 3}));
}

TEST(SortByExpert, EmptyAndLonelyExperts) {
  const ExpertOrder all_to_one = sort_by_expert(Ids{1, 1, 1}, 1, Ids{0, 1, 2});
  EXPECT_EQ(all_to_one.offsets, (Ids{0, 0, 3, 3}));
  EXPECT_EQ(all_to_one.token_N, (Ids{0, 1, 2}));
  const ExpertOrder nothing = sort_by_expert(Ids{}, 2, Ids{0, 1});
  EXPECT_EQ(nothing.offsets, (Ids{0, 0, 0}));
  EXPECT_TRUE(nothing.token_N.empty());
}

/// A permutation, its inverse, borders that hold, and order kept inside every expert.
TEST(SortByExpert, RandomOrdersHoldTheirPromises) {
  const RngKey key = make_key(11);
  for (uint64_t round = 0; round < 100; ++round) {
    const auto experts = 1 + random_u64(key, 4 * round) % 9, rows = random_u64(key, 4 * round + 1) % 40,
               k = 1 + random_u64(key, 4 * round + 2) % 3;
    Ids ids, ordinal(experts);
    for (uint64_t i = 0; i < rows * k; ++i) ids.push_back(static_cast<int64_t>(random_u64(key, 10000 * (round + 1) + i) % experts));
    for (uint64_t e = 0; e < experts; ++e) ordinal[e] = static_cast<int64_t>((e + round) % experts);
    const ExpertOrder order = sort_by_expert(ids, static_cast<int64_t>(k), ordinal);
    ASSERT_EQ(order.offsets.back(), static_cast<int64_t>(ids.size()));
    for (size_t n = 0; n < ids.size(); ++n) {
      const auto source = static_cast<size_t>(order.source_N[n]);
      EXPECT_EQ(order.sorted_TK[source], static_cast<int64_t>(n));
      EXPECT_EQ(order.token_N[n], order.source_N[n] / static_cast<int64_t>(k));
      const auto j = static_cast<size_t>(ordinal[static_cast<size_t>(ids[source])]);
      EXPECT_TRUE(order.offsets[j] <= static_cast<int64_t>(n) && static_cast<int64_t>(n) < order.offsets[j + 1]);
      const bool same_expert = n > 0 && order.offsets[j] < static_cast<int64_t>(n);
      if (same_expert) {
        EXPECT_LT(order.source_N[n - 1], order.source_N[n]);
      }
    }
  }
}

}  // namespace
}  // namespace hellora::kernels
