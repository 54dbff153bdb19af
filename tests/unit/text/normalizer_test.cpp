// Normalizers and their sequences.
#include "hellora/text/normalizer.h"

#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;

string normal(const Json& json, const string& text) { return normalize(parse_normalizer(json, "n"), text); }

Json replace(const Json& pattern, const string& content) { return {{"type", "Replace"}, {"pattern", pattern}, {"content", content}}; }

TEST(Normalizer, PrependAndReplace) {
  const Json prepend = {{"type", "Prepend"}, {"prepend", "▁"}};
  EXPECT_EQ(normal(prepend, "a"), "▁a");
  EXPECT_EQ(normal(prepend, "▁a"), "▁▁a");  // always: only Metaspace looks first
  EXPECT_EQ(normal(prepend, ""), "");
  EXPECT_EQ(normal(replace({{"String", " "}}, "▁"), " a  b"), "▁a▁▁b");
  EXPECT_EQ(normal(replace({{"String", "aa"}}, "b"), "aaaaa"), "bba");
  EXPECT_EQ(normal(replace({{"String", "."}}, ""), "a.b."), "ab");  // no regular expression
  EXPECT_EQ(normal(replace({{"Regex", " +"}}, " "), "a   b  c"), "a b c");
  EXPECT_EQ(normal(replace({{"Regex", "x*"}}, "-"), "axxb"), "-a-b-");
}

TEST(Normalizer, SequencesGoInOrder) {
  const Json steps = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, replace({{"String", "\u00E9"}}, "e")}}};
  EXPECT_EQ(normal(steps, "e\u0301"), "e");
  EXPECT_EQ(normal(nullptr, "e\u0301"), "e\u0301");
  EXPECT_EQ(normal({{"type", "Sequence"}, {"normalizers", Json::array()}}, "x"), "x");
}

TEST(Normalizer, RefusesToFillTheMemory) {
  const Json growing = replace({{"String", "a"}}, string(420, 'a'));
  const Json steps = {{"type", "Sequence"}, {"normalizers", std::vector<Json>(3, growing)}};  // 420³ bytes
  EXPECT_CONTAINS(error_of<DataError>([&] { normal(steps, "a"); }), "makes more than 67108864 bytes");
  const Json many = {{"type", "Sequence"}, {"normalizers", std::vector<Json>(40, growing)}};
  EXPECT_CONTAINS(error_of<FormatError>([&] { normal(many, "a"); }), "more than 32 normalizers");
}

TEST(Normalizer, RefusesByName) {
  const auto refusal = [](const Json& json) { return error_of<FormatError>([&] { parse_normalizer(json, "n"); }); };
  for (const char* name : {"NFKC", "NFD", "Lowercase", "BertNormalizer", "Precompiled", "Strip"})
    EXPECT_CONTAINS(refusal({{"type", name}}), string("n: normalizer \"") + name + "\" is not supported");
  EXPECT_CONTAINS(refusal({{"type", "Prepend"}}), "\"prepend\" is missing");
  EXPECT_CONTAINS(refusal(replace({{"Regex", "("}}, "")), "n.pattern: pattern does not compile");
  EXPECT_CONTAINS(refusal(replace({{"String", ""}}, "")), "n.pattern: an empty pattern");
  EXPECT_CONTAINS(refusal({{"type", "Sequence"}, {"normalizers", 1}}), "normalizers must be an array");
}

}  // namespace
}  // namespace hellora::testing
