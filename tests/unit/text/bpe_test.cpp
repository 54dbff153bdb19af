// Merging, characters without a token, and what the model of a tokenizer.json may say about them.
#include "hellora/text/bpe.h"

#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;

Ids merged(const Json& model, const string& piece) {
  Ids ids;
  Bpe(model, "test").encode(piece, ids);
  return ids;
}

TEST(BpeMerge, TakesTheLowestRankThenTheLeftmost) {
  Json model = small_tokenizer()["model"];
  EXPECT_EQ(merged(model, "abc"), (Ids{260, 'c'}));  // "a b" before "b c"
  EXPECT_EQ(merged(model, "bcab"), (Ids{261, 260}));
  EXPECT_EQ(merged(model, "thething"), (Ids{257, 256, 259}));
  std::swap(model["merges"][4], model["merges"][5]);
  EXPECT_EQ(merged(model, "abc"), (Ids{'a', 261}));
  model["vocab"]["aa"] = 262;
  model["merges"].push_back("a a");
  EXPECT_EQ(merged(model, "aaaaa"), (Ids{262, 262, 'a'}));
}

TEST(BpeMerge, ReadsBothSpellingsAndIgnoreMerges) {
  Json model = small_tokenizer()["model"], pairs = model;
  pairs["merges"] = Json::array();
  for (const Json& merge : model["merges"]) {
    const auto text = merge.get<string>();
    pairs["merges"].push_back({text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)});
  }
  EXPECT_EQ(merged(pairs, "thething"), merged(model, "thething"));
  model["vocab"]["cab"] = 263;  // a token that no merge makes
  EXPECT_EQ(merged(model, "cab"), (Ids{'c', 260}));
  model["ignore_merges"] = true;
  EXPECT_EQ(merged(model, "cab"), Ids{263});
  EXPECT_EQ(merged(model, "cabx"), (Ids{'c', 260, 'x'}));
}

TEST(BpeMerge, NamesACharacterWithoutAToken) {
  Json model = small_tokenizer()["model"];
  model["vocab"].erase("z");
  EXPECT_CONTAINS(error_of<DataError>([&] { merged(model, "az"); }), "no token for \"z\"");
  EXPECT_EQ(merged(model, ""), Ids{});
}

/// Every merge order on a long random piece agrees with the definition: always the lowest rank, leftmost, one at a time.
TEST(BpeMerge, EqualsTheDefinitionOnLongPieces) {
  const Json model = small_tokenizer()["model"];
  std::vector<std::pair<string, string>> merges;
  for (const Json& merge : model["merges"]) {
    const auto text = merge.get<string>();
    merges.emplace_back(text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1));
  }
  uint32_t state = 1;
  for (int round = 0; round < 20; ++round) {
    std::vector<string> symbols;
    string piece;
    for (int i = 0; i < 200; ++i) piece += "abcthinge"[((state = state * 1664525U + 1013904223U) >> 16) % 9];
    for (const char c : piece) symbols.emplace_back(1, c);
    for (bool again = true; again;) {
      again = false;
      for (size_t m = 0; m < merges.size() && !again; ++m) {
        for (size_t i = 0; i + 1 < symbols.size() && !again; ++i) {
          if (symbols[i] != merges[m].first || symbols[i + 1] != merges[m].second) continue;
          symbols[i] += symbols[i + 1];
          symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
          again = true;
        }
      }
    }
    Ids wanted;
    for (const string& symbol : symbols) wanted.push_back(model["vocab"][symbol].get<int64_t>());
    EXPECT_EQ(merged(model, piece), wanted) << piece;
  }
}

}  // namespace
}  // namespace hellora::testing
