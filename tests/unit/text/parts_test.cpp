// The parts of the tokenizer by themselves: byte alphabet, composition, patterns, merges, streaming.
#include "hellora/text/bpe.h"

#include <set>

#include "hellora/text/normalizer.h"
#include "hellora/text/regex.h"
#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;

TEST(ByteLevel, IsABijectionOfBytes) {
  string bytes;
  for (int b = 0; b < 256; ++b) bytes += static_cast<char>(b);
  EXPECT_EQ(from_byte_alphabet(to_byte_alphabet(bytes)), bytes);
  const std::set<string> distinct(byte_characters().begin(), byte_characters().end());
  EXPECT_EQ(distinct.size(), 256U);
  EXPECT_EQ(to_byte_alphabet("a b\n"), "aĠbĊ");  // GPT-2's well-known spellings
  EXPECT_EQ(to_byte_alphabet("é"), "Ã©");
  EXPECT_EQ(from_byte_alphabet("世"), "世");  // outside the alphabet
}

TEST(Nfc, Composes) {
  EXPECT_EQ(nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(nfc("\u212B"), "\u00C5");                // Angstrom sign, a singleton
  EXPECT_EQ(nfc("\u1100\u1161\u11A8"), "\uAC01");    // Hangul
  EXPECT_EQ(nfc("q\u0307\u0323"), "q\u0323\u0307");  // reordered by combining class
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093C");          // composition exclusion
  EXPECT_EQ(nfc("\uFB01"), "\uFB01");                // compatibility characters stay
  EXPECT_EQ(nfc(string("a\0b", 3)), string("a\0b", 3));
  EXPECT_EQ(nfc(""), "");
}

std::vector<string> matches(const string& pattern, const string& text) {
  std::vector<string> out;
  Regex(pattern, "test").for_each_match(text, [&](size_t begin, size_t end) { out.push_back(text.substr(begin, end - begin)); });
  return out;
}

TEST(RegexMatch, SeesCharactersAndUnicodeClasses) {
  EXPECT_EQ(matches("\\p{L}+", "aé世1b"), (std::vector<string>{"aé世", "b"}));
  EXPECT_EQ(matches(".", "é世"), (std::vector<string>{"é", "世"}));
  EXPECT_EQ(matches("\\s+(?!\\S)|\\s+", "a   b"), (std::vector<string>{"  ", " "}));
  EXPECT_EQ(matches("x*", "axxb"), std::vector<string>{"xx"});  // empty matches are not visited
  EXPECT_EQ(matches(escape_regex("a.b|c+"), "axb a.b|c+"), std::vector<string>{"a.b|c+"});
  for (const char* special : {"^", "$", "(", ")", "[", "]", "{", "}", "*", "+", "?", "\\", "|", ".", "-", "#", "/", "é"}) {
    EXPECT_EQ(matches(escape_regex(special), string("a") + special + "b"), std::vector<string>{special});
  }
}

TEST(RegexMatch, GivesUpWithAnErrorInsteadOfHanging) {
  EXPECT_CONTAINS(error_of<DataError>([] { matches("(a+)+$", string(64, 'a') + "b"); }), "gave up");
}

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

TEST(StreamDecoder, HoldsBackHalfCharacters) {
  const Tokenizer tokenizer = load_small(small_tokenizer());
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.push(0xE4), "");  // 世 is E4 B8 96
  EXPECT_EQ(stream.push(0xB8), "");
  EXPECT_EQ(stream.push(0x96), "世");
  EXPECT_EQ(stream.push('a'), "a");
  EXPECT_EQ(stream.push(0xE4), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");  // never completed
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace hellora::testing
