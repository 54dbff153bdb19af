// The cache of pieces: what it must tell apart, and that a tokenizer gives the same with it.
#include "hellora/text/piece_cache.h"

#include <thread>

#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;

TEST(PieceCache, TellsOwnersLevelsAndPiecesApart) {
  PieceCache cache;
  const Ids known = {7, 8, 9};
  cache.put(1, 2, "piece", known, 1);
  Ids ids = {1};
  EXPECT_FALSE(cache.find(2, 2, "piece", ids));
  EXPECT_FALSE(cache.find(1, 3, "piece", ids));
  EXPECT_FALSE(cache.find(1, 2, "piecf", ids));
  EXPECT_FALSE(cache.find(1, 2, "piec", ids));
  EXPECT_EQ(ids, Ids{1});
  EXPECT_TRUE(cache.find(1, 2, "piece", ids));
  EXPECT_EQ(ids, (Ids{1, 8, 9}));
}

/// Also where two of them share a slot, which about one in 65536 does.
TEST(PieceCache, TellsThemApartInTheSameSlot) {
  PieceCache cache;
  Ids ids;
  cache.put(1, 2, "piece", {7}, 0);
  for (uint32_t owner = 2; owner < 300000; ++owner) EXPECT_FALSE(cache.find(owner, 2, "piece", ids)) << owner;
  for (int64_t i = 0; i < 100000; ++i) {
    const string piece = std::to_string(i * 7919);
    cache.put(1, 2, piece, {7}, 0);
    for (uint8_t level = 3; level < 16; ++level) EXPECT_FALSE(cache.find(1, level, piece, ids)) << piece << " " << int{level};
  }
}

TEST(PieceCache, LeavesOutWhatDoesNotFit) {
  PieceCache cache;
  Ids ids;
  cache.put(1, 0, string(PieceCache::kMaxText + 1, 'a'), {1}, 0);
  cache.put(1, 0, "a", Ids(PieceCache::kMaxIds + 1, 1), 0);
  EXPECT_FALSE(cache.find(1, 0, string(PieceCache::kMaxText + 1, 'a'), ids));
  EXPECT_FALSE(cache.find(1, 0, "a", ids));
  cache.put(1, 0, string(PieceCache::kMaxText, 'a'), Ids(PieceCache::kMaxIds, 1), 0);
  EXPECT_TRUE(cache.find(1, 0, string(PieceCache::kMaxText, 'a'), ids));
  cache.put(1, 15, "", {}, 0);
  EXPECT_TRUE(cache.find(1, 15, "", ids));
}

TEST(PieceCache, KeepsNoMoreThanItsSize) {
  PieceCache cache;
  for (int i = 0; i < 200000; ++i) cache.put(1, 0, std::to_string(i), {i}, 0);
  size_t kept = 0;
  for (int i = 0; i < 200000; ++i) {
    Ids ids;
    if (!cache.find(1, 0, std::to_string(i), ids)) continue;
    ++kept;
    EXPECT_EQ(ids, Ids{i});
  }
  EXPECT_GT(kept, 40000U);
  EXPECT_LE(kept, 65536U);
}

/// Two tokenizers that disagree about every word, used in turn.
TEST(PieceCache, TokenizersDoNotSeeEachOthersPieces) {
  Json other = small_tokenizer();
  other["model"]["merges"] = Json::array();
  const Tokenizer one = load_small(small_tokenizer()), two = load_small(other);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(one.encode("the thing"), (Ids{257, ' ', 256, 259}));
    EXPECT_EQ(two.encode("the"), (Ids{'t', 'h', 'e'}));
  }
}

TEST(PieceCache, ThreadsShareATokenizer) {
  const Tokenizer tokenizer = load_small(small_tokenizer());
  string text;
  for (int i = 0; i < 2000; ++i) text += "the thing " + std::to_string(i % 97) + " abc bc\n";
  const Ids wanted = tokenizer.encode(text);
  std::array<bool, 4> same{};
  std::vector<std::thread> threads;
  for (bool& mine : same) {
    threads.emplace_back([&] {
      mine = true;
      for (int round = 0; round < 5; ++round) mine = mine && tokenizer.encode(text) == wanted;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(same, (std::array<bool, 4>{true, true, true, true}));
}

}  // namespace
}  // namespace hellora::testing
