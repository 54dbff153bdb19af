// Splitting before BPE; the reference's own pieces are in tests/golden/fixtures/text/splits.jsonl.
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

Json metaspace(const char* scheme, bool split) {
  return {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", split}};
}

TEST(PreTokenizer, MetaspacePutsItsCharacterOnce) {
  EXPECT_EQ(pieces(metaspace("always", true), "a b"), (Pieces{"▁a", "▁b"}));
  EXPECT_EQ(pieces(metaspace("always", true), " a"), Pieces{"▁a"});  // there is one already
  EXPECT_EQ(pieces(metaspace("always", false), "a  b"), Pieces{"▁a▁▁b"});
  EXPECT_EQ(pieces(metaspace("never", true), "a  b"), (Pieces{"a", "▁", "▁b"}));
  EXPECT_EQ(pieces(metaspace("first", true), "a b"), (Pieces{"▁a", "▁b"}));
  EXPECT_EQ(pieces(metaspace("always", true), ""), Pieces{});
}

TEST(PreTokenizer, MetaspaceFirstMeansTheBeginningOfTheText) {
  const Json stages = {{"type", "Sequence"}, {"pretokenizers", {split("-", "Isolated"), metaspace("first", true)}}};
  EXPECT_EQ(pieces(stages, "a-b"), (Pieces{"▁a", "-", "b"}));
  Json json = small_tokenizer();
  json["pre_tokenizer"] = metaspace("first", true);
  json["decoder"] = metaspace("first", true);
  json["model"]["vocab"] = {{"▁", 0}, {"a", 1}, {"▁a", 2}};
  json["model"]["merges"] = {"▁ a"};
  const Tokenizer tokenizer = load_small(json);
  EXPECT_EQ(tokenizer.encode("a"), Ids{2});
  EXPECT_EQ(tokenizer.encode("<|endoftext|>a"), (Ids{300, 1}));
  EXPECT_EQ(tokenizer.encode("a<|endoftext|>a a"), (Ids{2, 300, 1, 2}));
  EXPECT_EQ(tokenizer.encode("a"), Ids{2});  // not what was remembered of the "a" further on
}

TEST(PreTokenizer, MetaspaceRefusesOptionsThatDisagree) {
  Json json = metaspace("always", true);
  json["add_prefix_space"] = false;
  EXPECT_CONTAINS(error_of<FormatError>([&] { pieces(json, ""); }), "prepend_scheme must be \"never\"");
  json["prepend_scheme"] = "sometimes";
  EXPECT_CONTAINS(error_of<FormatError>([&] { pieces(json, ""); }), "prepend_scheme \"sometimes\"");
  json["replacement"] = "";
  EXPECT_CONTAINS(error_of<FormatError>([&] { pieces(json, ""); }), "replacement must be one character");
}

TEST(PreTokenizer, HasASmallNumberOfStages) {
  const Json many = {{"type", "Sequence"}, {"pretokenizers", std::vector<Json>(40, split("-", "Isolated"))}};
  EXPECT_CONTAINS(error_of<FormatError>([&] { pieces(many, ""); }), "more than 32 pre-tokenizers");
}

}  // namespace
}  // namespace hellora::testing
