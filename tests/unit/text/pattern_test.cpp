// Patterns of tokenizer.json: what is translated, and what is refused by name. Members of classes:
// tests/golden/fixtures/text/classes.jsonl.
#include "hellora/text/pattern.h"

#include "hellora/text/regex.h"
#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;

bool matches(const string& pattern, const string& text) { return Regex(to_pcre2(pattern, "p"), "p").find(text).has_value(); }

TEST(Pattern, ClassesHoldTheReferencesCharacters) {
  EXPECT_TRUE(matches("^\\p{L}$", "\U000323AF"));  // Unicode 15
  EXPECT_FALSE(matches("\\P{L}", "\U000323AF"));
  EXPECT_FALSE(matches("[^\\s\\p{L}\\p{N}]", "\U000323AF"));
  EXPECT_FALSE(matches("\\s", "\u180E"));  // white space to PCRE2
  EXPECT_TRUE(matches("\\S", "\u180E"));
  EXPECT_TRUE(matches("[\\S]", "\u180E"));
  EXPECT_TRUE(matches("\\w", "\u0301"));
  EXPECT_FALSE(matches("\\w", "\u2460"));
  EXPECT_FALSE(matches("\\p{Han}", "\u3001"));  // used with Han, but not of that script
  EXPECT_TRUE(matches("(?i:'s)", "'\u017F"));
}

TEST(Pattern, LineEndsAreSeenInsideAText) {
  EXPECT_TRUE(matches("a$", "a\nb"));
  EXPECT_TRUE(matches("^b", "a\nb"));
  EXPECT_FALSE(matches("a.b", "a\nb"));
  EXPECT_TRUE(matches("a.b", "a\rb"));
}

TEST(Pattern, OrdinaryConstructsStay) {
  EXPECT_TRUE(matches("^(?:a|b)++[\\]\\-x-z^]{1,3}(?=c)(?!d)(?<!e)c\\x{e9}\\.$", "ab]-^c\u00E9."));
  EXPECT_TRUE(matches("[]a]", "]"));  // a bracket that comes first is a member
  EXPECT_TRUE(matches("(?i)ABC", "abc"));
}

TEST(Pattern, RefusesWhatTheTwoReadDifferently) {
  const auto refusal = [](const string& pattern) { return error_of<FormatError>([&] { to_pcre2(pattern, "file: key"); }); };
  for (const char* pattern : {"\\h",     "\\R",      "\\b",    "\\K",     "\\1",      "[\\v]",   "[a[b]]", "[[:alpha:]]", "[a&&b]",
                              "(?m)a",   "(?s:a)",   "a(?i)b", "(?<n>a)", "(?#c)",    "(*UCP)a", "a{,2}",  "a{1,2}+",     "\\p{^L}",
                              "\\p{Mn}", "\\p{Foo}", "\\pL",   "\\p",     "[\\P{L}]", "[\\D]",   "[\\W]",  "\\",          "[a\\"}) {
    EXPECT_CONTAINS(refusal(pattern), "file: key: \"");
    EXPECT_CONTAINS(refusal(pattern), "is not supported");
  }
  EXPECT_CONTAINS(refusal("[ab"), "a class in a pattern is not closed");
  EXPECT_CONTAINS(refusal("ab(?s)"), "\"(?s\" at position 2");
}

}  // namespace
}  // namespace hellora::testing
