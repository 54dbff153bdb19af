// Patterns from outside: Python's meaning, and no pattern that costs more than a moment.
#include "hellora/text/bounded_regex.h"

#include <gtest/gtest.h>

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

bool matches(const std::string& pattern, const std::string& name) { return BoundedRegex(pattern, "p").matches(name); }
std::string refusal(const std::string& pattern) {
  return error_of<FormatError>([&] { BoundedRegex(pattern, "some/file: rank_pattern"); });
}

TEST(BoundedRegex, WholeNamesWithAnythingAndADotInFront) {
  const std::string name = "model.layers.12.mlp.experts.3.up_proj";
  for (const char* pattern : {"up_proj", R"(layers\.1\d\.mlp\..*)", R"(.*experts\.\d+\.up_proj)", "(up|down)_proj", "model.*",
                              "[a-z]+_proj", R"(experts\.[^.]+\.\w{2}_proj)", R"((?:gate|up)_proj)", R"(mlp\.(?!shared).*)", "u?p_proj"})
    EXPECT_TRUE(matches(pattern, name)) << pattern;
  for (const char* pattern : {"p_proj", "proj", "up", R"(layers\.2\..*)", "down_proj", "experts", "model", "", R"(\d_proj)", "^up_proj"}) {
    EXPECT_FALSE(matches(pattern, name)) << pattern;
  }
}

TEST(BoundedRegex, SyntaxThatOtherReadersTakeOtherwiseIsRefused) {
  for (const char* pattern :
       {R"((a)\1)", "(?P<n>a)", "(?i)a", "(?#c)", "(?>a)",    "(?R)", "(*ACCEPT)", "[[:alpha:]]", R"(\p{L})", R"(\Qa\E)",
        R"(\Z)",    R"(\x41)",  "a{,3}", "{a}",   "a{99999}", "a\nb", "é",         "[a",          R"([\b])",  "a\\"})
    EXPECT_CONTAINS(refusal(pattern), "some/file: rank_pattern") << pattern;
  for (const char* pattern : {"(a", "a)", "a)|(b", "*a", "a**", "[b-a]"})
    EXPECT_CONTAINS(refusal(pattern), "regular expression") << pattern;
}

TEST(BoundedRegex, DeepLongAndExplodingPatternsAreRefused) {
  EXPECT_CONTAINS(refusal(std::string(50000, '(') + std::string(50000, ')')), "longer than 1000");
  EXPECT_CONTAINS(refusal(std::string(400, '(') + std::string(400, ')')), "regular expression");
  EXPECT_CONTAINS(refusal("((((a{1,999}){1,999}){1,999}){1,999}){1,999}"), "regular expression");
  const std::string name(60, 'a');
  for (const char* pattern : {"(a*)*b?c|(a+)+[bc]", "(a|a)*[bc]", "(a|aa)+[bc]", "((a+)*)*[bc]", "(.*)*(.*)*(.*)*(.*)*[xz]"}) {
    const BoundedRegex regex(pattern, "some/file");
    EXPECT_CONTAINS(error_of<FormatError>([&] { regex.matches(name); }), "too many steps") << pattern;
  }
}

/// Matches that are dear, but not too dear, are allowed some hundred times only: the sum is bounded as well.
TEST(BoundedRegex, ManyDearMatchesAreRefused) {
  const BoundedRegex regex("(a|a|a|a|a)*[bc]", "some/file");
  int64_t done = 0;
  const auto many = [&] {
    for (; done < 1000; ++done) regex.matches(std::string(5, 'a'));
  };
  EXPECT_CONTAINS(error_of<FormatError>(many), "too many steps");
}

}  // namespace
}  // namespace hellora::testing
