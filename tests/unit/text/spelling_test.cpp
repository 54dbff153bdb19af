// Where tokens stand in a text, for the ways in which tokenizers write spaces.
#include "hellora/text/spelling.h"

#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;
using Spans = std::vector<TextSpan>;

Normalizer sentencepiece() {
  return parse_normalizer(
      {{"type", "Sequence"},
       {"normalizers", {{{"type", "Prepend"}, {"prepend", "▁"}}, {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}},
      "test");
}
PreTokenizer metaspace(const char* scheme) {
  return parse_pre_tokenizer({{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}}, "test");
}

/// 0: ▁, 1: ▁a, 2: b, 3 and 4: the bytes of é, 5: <s>, which is added, 6: ▁▁.
Spelling words(const Normalizer& normalizer, const PreTokenizer& pre = {}) {
  Spelling out(normalizer, pre, true);
  for (const char* token : {"▁", "▁a", "b", "<0xC3>", "<0xA9>", "<s>", "▁▁"}) out.add(token, token == string("<s>"));
  return out;
}

TEST(Spelling, APrefixIsEmptyInTheText) {
  const Spelling always = words(sentencepiece());
  EXPECT_EQ(always.places(Ids{1, 2}, "ab"), (Spans{{0, 1}, {1, 2}}));
  EXPECT_EQ(always.places(Ids{0, 1}, " a"), (Spans{{0, 0}, {0, 2}}));
  EXPECT_EQ(always.places(Ids{6, 2}, " b"), (Spans{{0, 1}, {1, 2}}));
  EXPECT_EQ(always.places(Ids{1, 5, 0, 1, 2}, "a<s> ab"), (Spans{{0, 1}, {1, 4}, {4, 4}, {4, 6}, {6, 7}}));
  EXPECT_EQ(always.places(Ids{5, 5}, "<s><s>"), (Spans{{0, 3}, {3, 6}}));
}

TEST(Spelling, MetaspaceLooksFirst) {
  const Spelling always = words({}, metaspace("always")), first = words({}, metaspace("first")), never = words({}, metaspace("never"));
  EXPECT_EQ(always.places(Ids{1, 1}, "a a"), (Spans{{0, 1}, {1, 3}}));
  EXPECT_EQ(always.places(Ids{1}, " a"), (Spans{{0, 2}}));
  EXPECT_EQ(always.places(Ids{5, 1}, "<s>a"), (Spans{{0, 3}, {3, 4}}));
  EXPECT_EQ(first.places(Ids{1, 5, 2}, "a<s>b"), (Spans{{0, 1}, {1, 4}, {4, 5}}));
  EXPECT_EQ(first.places(Ids{1, 5, 1}, "a<s>a"), std::nullopt);
  EXPECT_EQ(never.places(Ids{1}, "a"), std::nullopt);
  EXPECT_EQ(never.places(Ids{2, 1}, "b a"), (Spans{{0, 1}, {1, 3}}));
}

TEST(Spelling, TokensOfOneCharacterShareItsPlace) {
  EXPECT_EQ(words({}).places(Ids{2, 3, 4, 2}, "béb"), (Spans{{0, 1}, {1, 3}, {1, 3}, {3, 4}}));
  EXPECT_EQ(words({}).places(Ids{3}, "é"), std::nullopt);
  Spelling bytes({}, parse_pre_tokenizer({{"type", "ByteLevel"}, {"add_prefix_space", true}}, "test"), false);
  for (const char* token : {"bÃ", "©b", "Ġb", "ø"}) bytes.add(token, token == string("ø"));
  EXPECT_EQ(bytes.places(Ids{2, 0, 1}, "bbéb"), (Spans{{0, 1}, {1, 4}, {2, 5}}));
  EXPECT_EQ(bytes.places(Ids{3}, "ø"), (Spans{{0, 2}}));  // an added token is not spelled in the alphabet
}

TEST(Spelling, NothingForAnotherText) {
  EXPECT_EQ(words({}).places(Ids{2, 2}, "b"), std::nullopt);
  EXPECT_EQ(words({}).places(Ids{2}, "bb"), std::nullopt);
  EXPECT_EQ(words({}).places({}, ""), Spans{});
  const Tokenizer tokenizer = load_small(small_tokenizer());
  EXPECT_EQ(tokenizer.places(tokenizer.encode("the in"), "the in"), (Spans{{0, 3}, {3, 4}, {4, 6}}));
  EXPECT_CONTAINS(error_of<DataError>([&] { static_cast<void>(tokenizer.places(Ids{299}, "")); }), "token id 299");
}

}  // namespace
}  // namespace hellora::testing
