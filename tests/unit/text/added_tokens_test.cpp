// Added tokens: where they are cut out of a text. Expected values follow from their definition; rows of the reference
// implementation are in tests/golden/fixtures/text/options.jsonl.
#include "hellora/text/added_tokens.h"

#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;

AddedToken token(int64_t id, const string& content) {
  AddedToken made;
  made.id = id;
  made.content = made.match = content;
  return made;
}

/// Cuts written as text: pieces in quotes, tokens as <id>.
string cut(const std::vector<AddedToken>& tokens, const string& text, bool normalized = false) {
  string shown;
  for (const TextPart& part : AddedTokenSet(tokens, normalized).cut(text)) {
    // One piece at a time: GCC 12 warns wrongly about a literal in front of a moved string.
    if (part.id >= 0) {
      shown.append("<").append(std::to_string(part.id)).append(">");
    } else {
      shown.append("'").append(part.text).append("'");
    }
  }
  return shown;
}

TEST(AddedTokens, LongestWinsAtEachPlace) {
  const std::vector<AddedToken> tokens = {token(1, "ab"), token(2, "abc"), token(3, "b")};
  EXPECT_EQ(cut(tokens, "xabcab b"), "'x'<2><1>' '<3>");
  EXPECT_EQ(cut(tokens, ""), "");
  EXPECT_EQ(cut(tokens, "ab"), "<1>");
  EXPECT_EQ(cut({token(1, "")}, "x"), "'x'");  // an empty token never matches
}

TEST(AddedTokens, StripTakesTheSpacesOnItsSide) {
  AddedToken left = token(1, "L"), right = token(2, "R");
  left.lstrip = true;
  right.rstrip = true;
  EXPECT_EQ(cut({left, right}, "a \n L b"), "'a'<1>' b'");
  EXPECT_EQ(cut({left, right}, "a R \t b"), "'a '<2>'b'");
  EXPECT_EQ(cut({left, right}, "R  L"), "<2><1>");  // spaces belong to one token only
  EXPECT_EQ(cut({left, right}, "a\u00A0\u2003L"), "'a'<1>");
  EXPECT_EQ(cut({left, right}, "  L"), "<1>");
}

TEST(AddedTokens, SingleWordNeedsBordersOnBothSides) {
  AddedToken word = token(1, "cat");
  word.single_word = true;
  EXPECT_EQ(cut({word}, "cat"), "<1>");
  EXPECT_EQ(cut({word}, "a cat, cats"), "'a '<1>', cats'");
  for (const char* text : {"cats", "acat", "cat_", "cat1", "\u00E9cat", "cat\u0301", "cat\u4E16"})
    EXPECT_EQ(cut({word}, text), string("'").append(text).append("'"));
  EXPECT_EQ(cut({word}, "\u201Ccat\u201D"), "'\u201C'<1>'\u201D'");
  EXPECT_EQ(cut({word}, "\U0001F600cat-"), "'\U0001F600'<1>'-'");
}

TEST(AddedTokens, KindsAreCutApart) {
  AddedToken raw = token(1, "x"), normal = token(2, "y");
  normal.normalized = true;
  EXPECT_EQ(cut({raw, normal}, "xy", false), "<1>'y'");
  EXPECT_EQ(cut({raw, normal}, "xy", true), "'x'<2>");
}

Tokenizer with_tokens(const Json& added) {
  Json json = small_tokenizer();
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"] = added;
  return load_small(json);
}

TEST(AddedTokens, NormalizedOnesAreSoughtInTheNormalizedText) {
  const Tokenizer tokenizer = with_tokens(
      {{{"id", 300}, {"content", "\u1EBD"}, {"normalized", true}}, {{"id", 301}, {"content", "\u1EF9"}, {"normalized", false}}});
  EXPECT_EQ(tokenizer.encode("e\u0303"), Ids{300});
  EXPECT_EQ(tokenizer.encode("\u1EBD"), Ids{300});
  EXPECT_EQ(tokenizer.encode("\u1EF9"), Ids{301});
  EXPECT_NE(tokenizer.encode("y\u0303"), Ids{301});
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("y\u0303")), "\u1EF9");
}

TEST(AddedTokens, DefaultsDependOnSpecial) {
  const Tokenizer tokenizer = with_tokens({{{"id", 300}, {"content", "\u1EBD"}, {"special", true}}, {{"id", 301}, {"content", "\u1EF9"}}});
  EXPECT_NE(tokenizer.encode("e\u0303"), Ids{300});  // special: not normalized
  EXPECT_EQ(tokenizer.encode("y\u0303"), Ids{301});
}

TEST(AddedTokens, DecodeAsTheyStandAndSkipOnlySpecialOnes) {
  const Tokenizer tokenizer =
      with_tokens({{{"id", 300}, {"content", "<s> \u0120"}, {"special", true}}, {{"id", 301}, {"content", "<x>"}, {"special", false}}});
  const Ids ids = tokenizer.encode("a<s> \u0120<x>the");
  EXPECT_EQ(ids, (Ids{'a', 300, 301, 257}));
  EXPECT_EQ(tokenizer.decode(ids), "a<s> \u0120<x>the");  // Ġ in an added token is itself, no space
  EXPECT_EQ(tokenizer.decode(ids, true), "a<x>the");
}

TEST(AddedTokens, TemplateAddsTokensOnBothSides) {
  Json json = small_tokenizer();
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "B"}}}}, {{"Sequence", {{"id", "A"}}}}, {{"SpecialToken", {{"id", "E"}}}}}},
      {"special_tokens", {{"B", {{"ids", {300, 7}}}}, {"E", {{"ids", {8}}}}}}};
  EXPECT_EQ(load_small(json).encode("the", true), (Ids{300, 7, 257, 8}));
  EXPECT_EQ(load_small(json).encode("the"), Ids{257});
  json["post_processor"]["special_tokens"].erase("E");
  EXPECT_CONTAINS(error_of<FormatError>([&] { load_small(json); }), "\"E\"");
}

}  // namespace
}  // namespace hellora::testing
