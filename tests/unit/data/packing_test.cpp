// Micro-batches as a function of (seed, epoch).
#include "hellora/data/packing.h"

#include <algorithm>

#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

using Batches = std::vector<Ids>;

/// Examples of 2 to 41 tokens; only every other one supervises its first half.
Dataset mixed(size_t count) {
  Dataset data;
  for (size_t i = 0; i < count; ++i) {
    Ids ids, targets;
    const auto length = static_cast<int64_t>(2 + i * 7 % 40);
    for (int64_t t = 0; t < length; ++t) {
      ids.push_back(static_cast<int64_t>(i) * 100 + t);
      targets.push_back(t + 1 < length && (i % 2 == 0 || t >= length / 2) ? ids.back() + 1 : kIgnore);
    }
    data.add(ids, targets, static_cast<int64_t>(i));
  }
  return data;
}

Ids flattened(const Batches& batches) {
  Ids all;
  for (const Ids& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

Ids counted(size_t count) {
  Ids all(count);
  for (size_t i = 0; i < count; ++i) all[i] = static_cast<int64_t>(i);
  return all;
}

TEST(Packing, TakesEveryExampleOncePerEpoch) {
  const Dataset data = mixed(97);
  for (const bool packing : {true, false}) {
    for (int64_t epoch = 0; epoch < 4; ++epoch) {
      Ids seen = flattened(epoch_batches(data, {64, packing, 41}, 5, epoch));
      EXPECT_FALSE(std::is_sorted(seen.begin(), seen.end())) << epoch;
      std::sort(seen.begin(), seen.end());
      EXPECT_EQ(seen, counted(97)) << epoch;
    }
  }
}

TEST(Packing, RespectsTheBudgetAndFillsIt) {
  const Dataset data = mixed(97);
  const auto length = [&](int64_t i) { return static_cast<int64_t>(data.examples[static_cast<size_t>(i)].ids.size()); };
  const Batches batches = epoch_batches(data, {64, true, 41}, 5, 0);
  for (size_t b = 0; b < batches.size(); ++b) {
    int64_t tokens = 0;
    for (const int64_t i : batches[b]) tokens += length(i);
    EXPECT_LE(tokens, 64);
    if (b + 1 < batches.size()) {
      EXPECT_GT(tokens + length(batches[b + 1][0]), 64);  // closed only because the next did not fit
    }
  }
}

TEST(Packing, AnExampleBeyondTheBudgetStandsAlone) {
  const Dataset data = mixed(10);
  const Batches batches = ordered_batches(data, {8, true, 41});
  EXPECT_EQ(flattened(batches), counted(10));
  for (const Ids& batch : batches) EXPECT_TRUE(batch.size() == 1 || pack(data, batch).ids.size() <= 8);
}

TEST(Packing, WithoutPackingTheNumberOfExamplesIsFixed) {
  const Dataset data = mixed(10);
  EXPECT_EQ(ordered_batches(data, {41, false, 41}).size(), 10U);
  EXPECT_EQ(ordered_batches(data, {10, false, 41}).size(), 10U);  // at least one
  EXPECT_EQ(ordered_batches(data, {128, false, 41}), (Batches{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {9}}));
}

TEST(Packing, IsAFunctionOfSeedAndEpoch) {
  const Dataset data = mixed(97);
  const PackingRule rule{64, true, 41};
  EXPECT_EQ(epoch_batches(data, rule, 5, 2), epoch_batches(data, rule, 5, 2));
  EXPECT_NE(epoch_batches(data, rule, 5, 2), epoch_batches(data, rule, 5, 3));
  EXPECT_NE(epoch_batches(data, rule, 5, 2), epoch_batches(data, rule, 6, 2));
  EXPECT_EQ(flattened(ordered_batches(data, rule)), counted(97));
}

/// A run that an older build began goes on with the same batches.
TEST(Packing, KeepsItsOrderFromVersionToVersion) {
  EXPECT_EQ(epoch_batches(mixed(9), {64, true, 41}, 5, 0), (Batches{{2, 5}, {3, 6, 4}, {8, 1, 7, 0}}));
  EXPECT_EQ(epoch_batches(mixed(9), {64, true, 41}, 5, 1), (Batches{{0, 8, 2, 7}, {4}, {5, 6, 1}, {3}}));
}

/// A shuffle worth its name: over many epochs each of three examples comes first about a third of the time.
TEST(Packing, ShufflesEvenly) {
  const Dataset data = mixed(3);
  std::vector<int> first(3);
  for (int64_t epoch = 0; epoch < 3000; ++epoch) ++first[static_cast<size_t>(epoch_batches(data, {1, true, 41}, 1, epoch)[0][0])];
  for (const int count : first) EXPECT_NEAR(count, 1000, 130);  // five standard deviations
}

TEST(Packing, PositionsRestartAndDocumentsKeepTheirLabels) {
  const Dataset data = mixed(5);
  const PackedBatch batch = pack(data, Ids{3, 0, 4});
  EXPECT_EQ(batch.ids.size(), 23U + 2U + 30U);
  ASSERT_EQ(batch.documents.size(), 3U);
  int64_t supervised = 0, next = 0;
  for (const Document& document : batch.documents) {
    const Example& example = data.examples[static_cast<size_t>(document.example)];
    EXPECT_EQ(document.start, next);
    EXPECT_EQ(document.length, static_cast<int64_t>(example.ids.size()));
    for (int64_t t = 0; t < document.length; ++t) {
      const auto row = static_cast<size_t>(document.start + t);
      EXPECT_EQ(batch.positions[row], t);
      EXPECT_EQ(batch.ids[row], example.ids[static_cast<size_t>(t)]);
      EXPECT_EQ(batch.targets[row], example.targets[static_cast<size_t>(t)]);
    }
    next += document.length;
    EXPECT_EQ(batch.targets[static_cast<size_t>(next - 1)], kIgnore);  // nothing follows the last token of a document
    supervised += example.supervised;
  }
  EXPECT_EQ(batch.supervised, supervised);
  EXPECT_EQ(batch.documents[0].example, 3);
}

}  // namespace
}  // namespace hellora::testing
