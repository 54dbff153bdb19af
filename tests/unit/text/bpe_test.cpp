// Merging, characters without a token, and what the model of a tokenizer.json may say about them.
#include "hellora/text/bpe.h"

#include <algorithm>

#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;
using std::string_view;

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

/// A table over tokens 0 to 5 and what they merge to, in random order.
struct RandomMerges {
  explicit RandomMerges(uint32_t seed) : state(seed), table(40) {
    TokenId made = 6;
    for (int32_t rank = 0; rank < 30; ++rank, ++made)
      table.set(static_cast<TokenId>(next(static_cast<uint32_t>(made))), static_cast<TokenId>(next(static_cast<uint32_t>(made))),
                {rank, made});
  }
  uint32_t next(uint32_t below) { return ((state = state * 1664525U + 1013904223U) >> 8) % below; }
  uint32_t state;
  MergeTable table;
};

std::vector<TokenId> by_definition(const MergeTable& table, std::vector<TokenId> ids) {
  for (;;) {
    Merge best;
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const Merge here = table.find(ids[i], ids[i + 1]);
      if (here.rank >= 0 && (best.rank < 0 || here.rank < best.rank)) best = here, at = i;
    }
    if (best.rank < 0) return ids;
    ids[at] = best.id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(BpeMerge, BothWaysEqualTheDefinition) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    RandomMerges random(seed);
    std::vector<TokenId> ids(random.next(90));
    for (TokenId& id : ids) id = static_cast<TokenId>(random.next(6));
    const std::vector<TokenId> wanted = by_definition(random.table, ids);
    std::vector<TokenId> quick = ids, queued = ids, any = ids;
    merge_short(random.table, quick);
    merge_long(random.table, queued);
    merge_all(random.table, any);
    EXPECT_EQ(quick, wanted) << seed;
    EXPECT_EQ(queued, wanted) << seed;
    EXPECT_EQ(any, wanted) << seed;
  }
}

TEST(BpeMerge, OfTwoEqualMergesTheLaterOneHolds) {
  Json model = small_tokenizer()["model"];
  model["merges"].push_back("a b");  // now after "b c"
  EXPECT_EQ(merged(model, "abc"), (Ids{'a', 261}));
  model["merges"].insert(model["merges"].begin(), "#version: 0.2");
  EXPECT_EQ(merged(model, "abc"), (Ids{'a', 261}));
}

TEST(BpeUnknown, ByteFallbackSpellsACharacterInBytes) {
  Json model = {{"vocab", {{"a", 0}, {"<unk>", 1}, {"<0xC3>", 2}, {"<0xA9>", 3}, {"<0xA8>", 4}, {"<0x0A>", 5}}}, {"merges", Json::array()}};
  EXPECT_CONTAINS(error_of<DataError>([&] { merged(model, "é"); }), "no token for \"é\"");
  model["byte_fallback"] = true;
  EXPECT_EQ(merged(model, "aéa\n"), (Ids{0, 2, 3, 0, 5}));
  EXPECT_CONTAINS(error_of<DataError>([&] { merged(model, "ê"); }), "no token for \"ê\"");  // <0xAA> is missing
  model["unk_token"] = "<unk>";
  EXPECT_EQ(merged(model, "aêa"), (Ids{0, 1, 0}));
  EXPECT_EQ(merged(model, "êé"), (Ids{2, 3, 1}));  // as the reference has it: bytes pass a waiting unknown token
}

TEST(BpeUnknown, NeighboursShareATokenIfFused) {
  Json model = {{"vocab", {{"a", 0}, {"<unk>", 1}}}, {"merges", Json::array()}, {"unk_token", "<unk>"}};
  EXPECT_EQ(merged(model, "xyaz"), (Ids{1, 1, 0, 1}));
  model["fuse_unk"] = true;
  EXPECT_EQ(merged(model, "xyaz"), (Ids{1, 0, 1}));
}

/// A model over a few characters with random merges between its tokens.
Json random_model(uint32_t seed) {
  uint32_t state = seed;
  const auto next = [&](size_t below) { return ((state = state * 1664525U + 1013904223U) >> 8) % below; };
  std::vector<string> tokens = {"\u2581", "a", "b", "c", "\u00e9"};
  Json vocab = Json::object(), merges = Json::array();
  for (size_t i = 0; i < 12; ++i) {
    const string left = tokens[next(tokens.size())], right = tokens[next(tokens.size())];
    if (std::find(tokens.begin(), tokens.end(), left + right) != tokens.end()) continue;
    merges.push_back({left, right});
    tokens.push_back(left + right);
  }
  for (const string& token : tokens) vocab[token] = vocab.size() + 1;
  vocab["<unk>"] = 0;
  return {{"vocab", vocab}, {"merges", merges}, {"unk_token", "<unk>"}, {"fuse_unk", true}};
}

TEST(BpeCut, DoesNotChangeTheTokens) {
  size_t cuts = 0;
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    const Bpe bpe(random_model(seed), "test");
    uint32_t state = seed;
    const std::vector<string> letters = {"\u2581", "a", "b", "c", "\u00e9", "x", "\U0001F600"};
    string text;
    for (int i = 0; i < 60; ++i) text += letters[((state = state * 1664525U + 1013904223U) >> 8) % letters.size()];
    Ids whole, parts;
    bpe.encode(text, whole);
    for (size_t begin = 0; begin < text.size(); ++cuts) {
      const size_t end = bpe.next_cut(text, begin);
      ASSERT_GT(end, begin);
      bpe.encode(string_view(text).substr(begin, end - begin), parts);
      begin = end;
    }
    EXPECT_EQ(parts, whole) << seed << " " << text;
  }
  EXPECT_GT(cuts, 3000U);  // it does cut
}

TEST(BpeCut, LeavesPiecesWholeForIgnoreMergesAndMergingByteTokens) {
  Json model = {{"vocab", {{"a", 0}, {"b", 1}, {"<0x78>", 2}, {"a<0x78>", 3}}}, {"merges", Json::array()}, {"byte_fallback", true}};
  EXPECT_EQ(Bpe(model, "test").next_cut("abab", 0), 1U);
  EXPECT_EQ(Bpe(model, "test").next_cut("xa", 0), 2U);  // not after an unknown character
  model["merges"].push_back("a <0x78>");
  EXPECT_EQ(Bpe(model, "test").next_cut("abab", 0), 4U);
  EXPECT_EQ(merged(model, "axb"), (Ids{3, 1}));
  model["merges"] = Json::array();
  model["ignore_merges"] = true;
  EXPECT_EQ(Bpe(model, "test").next_cut("abab", 0), 4U);
}

}  // namespace
}  // namespace hellora::testing
