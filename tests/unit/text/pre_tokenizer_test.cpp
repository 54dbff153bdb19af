// Splitting before BPE; the reference's own pieces are in tests/golden/text/splits.jsonl.
#include "hellora/text/pre_tokenizer.h"

#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;
using Pieces = std::vector<string>;

Pieces pieces(const Json& json, const string& text) { return pre_tokenize(parse_pre_tokenizer(json, "test"), text); }
Json split(const string& pattern, const string& behavior, bool invert = false) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", behavior}, {"invert", invert}};
}

TEST(PreTokenizer, Gpt2PatternCutsWordsNumbersAndContractions) {
  const Json gpt2 = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  EXPECT_EQ(pieces(gpt2, "I'll go,  now 12x"), (Pieces{"I", "'ll", "Ġgo", ",", "Ġ", "Ġnow", "Ġ12", "x"}));
  EXPECT_EQ(pieces(gpt2, "a\n\n b  "), (Pieces{"a", "ĊĊ", "Ġb", "ĠĠ"}));
  EXPECT_EQ(pieces(gpt2, "I'LL"), (Pieces{"I", "'", "LL"}));  // the pattern knows small letters only
}

TEST(PreTokenizer, BehavioursOfSplit) {
  EXPECT_EQ(pieces(split("-", "Isolated"), "a--b-"), (Pieces{"a", "-", "-", "b", "-"}));
  EXPECT_EQ(pieces(split("-", "Removed"), "a--b-"), (Pieces{"a", "b"}));
  EXPECT_EQ(pieces(split("-", "MergedWithPrevious"), "a--b-"), (Pieces{"a-", "-", "b-"}));
  EXPECT_EQ(pieces(split("-", "MergedWithNext"), "a--b-"), (Pieces{"a", "-", "-b", "-"}));
  EXPECT_EQ(pieces(split("-", "Contiguous"), "a--b-"), (Pieces{"a", "--", "b", "-"}));
  EXPECT_EQ(pieces(split("[a-z]+", "Removed", true), "1ab2c"), (Pieces{"ab", "c"}));
}

TEST(PreTokenizer, StagesFollowEachOther) {
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  const Json stages = {{"type", "Sequence"}, {"pretokenizers", {digits, split(",", "Isolated")}}};
  EXPECT_EQ(pieces(stages, "a12,b"), (Pieces{"a", "1", "2", ",", "b"}));
  EXPECT_EQ(pieces({{"type", "Digits"}}, "a12,½"), (Pieces{"a", "12", ",", "½"}));
  EXPECT_EQ(pieces(nullptr, "a b"), Pieces{"a b"});
}

TEST(PreTokenizer, PrefixSpaceGoesToEveryPieceThatReachesTheByteLevelStage) {
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", false}};
  EXPECT_EQ(pieces(byte_level, "ab"), Pieces{"Ġab"});
  EXPECT_EQ(pieces(byte_level, " ab"), Pieces{"Ġab"});
  const Json stages = {{"type", "Sequence"}, {"pretokenizers", {split("-", "Isolated"), byte_level}}};
  EXPECT_EQ(pieces(stages, "a-b"), (Pieces{"Ġa", "Ġ-", "Ġb"}));
}

}  // namespace
}  // namespace hellora::testing
