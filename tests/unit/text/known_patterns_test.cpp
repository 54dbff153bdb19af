// Scanners against PCRE2 with the same pattern: every character in many places, all short texts of an odd alphabet, long texts.
#include "hellora/text/known_patterns.h"

#include <random>

#include "hellora/core/utf8.h"
#include "hellora/text/char_class.h"
#include "hellora/text/pattern.h"
#include "hellora/text/regex.h"
#include "hellora/text/split.h"
#include "tests/unit/text/small.h"

namespace hellora {

/// Names of tests hold what this prints: no addresses, and not the pattern's brackets.
void PrintTo(const KnownPattern& one, std::ostream* out) { *out << one.pattern.size() << " bytes"; }

}  // namespace hellora

namespace hellora::testing {
namespace {

using std::string;
using Spans = std::vector<std::pair<size_t, size_t>>;

class KnownPatterns : public ::testing::TestWithParam<KnownPattern> {
 protected:
  Spans scanned(const string& text) const {
    Spans spans;
    for_each_match(stage_, text, [&](size_t begin, size_t end) { spans.emplace_back(begin, end); });
    return spans;
  }
  Spans matched(const string& text) const {
    Spans spans;
    regex_.for_each_match(text, [&](size_t begin, size_t end) { spans.emplace_back(begin, end); });
    return spans;
  }
  /// Says where they part: a whole text would be too long.
  void expect_same(const string& text) const {
    const Spans one = scanned(text), two = matched(text);
    if (one == two) return;
    size_t i = 0;
    while (i < one.size() && i < two.size() && one[i] == two[i]) ++i;
    const auto show = [&](const Spans& spans) {
      return i < spans.size() ? text.substr(spans[i].first, spans[i].second - spans[i].first) : "";
    };
    ADD_FAILURE() << "scanned \"" << show(one) << "\", PCRE2 \"" << show(two) << "\", in \""
                  << text.substr(i < two.size() ? two[i].first : 0, 20) << "\"";
  }

  Regex regex_{to_pcre2(GetParam().pattern, "test"), "test"};
  SplitStage stage_ = parse_split({{"pattern", {{"Regex", GetParam().pattern}}}, {"behavior", "Isolated"}}, "test");
};

/// Letters, numbers, marks, white space of one to three bytes, characters newer than PCRE2 10.42 (U+11F02, U+11BF0), U+180E.
constexpr std::array<const char*, 40> kOdd = {"a",      "S",      "s",      "t",      "T",          "r",          "e",          "E",
                                              "l",      "L",      "v",      "m",      "d",          "'",          "\u2019",     " ",
                                              "  ",     "\t",     "\r",     "\n",     "\r\n",       "\u0085",     "\u00A0",     "\u2028",
                                              "\u3000", "\u180E", "1",      "\u00BD", "\u2167",     "\u0663",     "\u017F",     "\u212A",
                                              "\u00DF", "\u0301", "\u4E2D", "\u3002", "\U0001F600", "\U00011F02", "\U00011BF0", "."};

TEST_P(KnownPatterns, IsTakenByItsText) {
  EXPECT_EQ(stage_.scan, GetParam().scan);
  EXPECT_NE(stage_.scan, nullptr);
  EXPECT_EQ(find_scanner(string(GetParam().pattern) + "|x"), nullptr);
}

TEST_P(KnownPatterns, EveryCharacterInEveryPlace) {
  string text;
  for (uint32_t code = 0; code < 0x110000; ++code) {
    if (code == 0xD800) code = 0xE000;
    if (code == 0x40000) code = 0xE0000;  // planes without a character
    const string c = encode_utf8(code);
    for (const string& place : {"a" + c + "b", "1" + c + "2", " " + c, " ." + c + c, "\n" + c + "\n ", "'" + c, "'l" + c}) text += place;
    if (text.size() > 100000) {
      expect_same(text);
      text.clear();
    }
  }
  expect_same(text);
}

TEST_P(KnownPatterns, AllShortTexts) {
  for (const char* a : kOdd) {
    for (const char* b : kOdd) {
      for (const char* c : kOdd) expect_same(string(a) + b + c);
    }
  }
}

TEST_P(KnownPatterns, RandomTexts) {
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    string text;
    const auto count = random() % 24;
    for (unsigned i = 0; i < count; ++i) {
      const char* piece = kOdd[random() % kOdd.size()];
      for (auto more = random() % 8 == 0 ? random() % 6 : 0;; --more) {
        text += piece;
        if (more == 0) break;
      }
    }
    expect_same(text);
  }
}

/// A scan that looked at all of the rest for each match would take hours here.
TEST_P(KnownPatterns, LongRunsTakeLinearTime) {
  for (const char* piece : kOdd) {
    string run;
    while (run.size() < 1000000) run += piece;
    for (const char* end : {"", "a", "\n", " ", "\u3000."}) expect_same(run + end);
  }
  string mixed;
  for (int i = 0; i < 100000; ++i) mixed += "\n \t ";
  expect_same(mixed + "x");
}

INSTANTIATE_TEST_SUITE_P(Table, KnownPatterns, ::testing::ValuesIn(known_patterns().begin(), known_patterns().end()),
                         [](const auto& row) { return std::to_string(row.index); });

TEST(CharClass, IsWhatThePatternsSay) {
  const Regex letter(to_pcre2("\\p{L}", "t"), "t"), number(to_pcre2("\\p{N}", "t"), "t"), space(to_pcre2("\\s", "t"), "t");
  for (uint32_t code = 0; code < 0x110000; ++code) {
    if (code == 0xD800) code = 0xE000;
    const string c = encode_utf8(code);
    const CharClass wanted = letter.find(c)   ? CharClass::letter
                             : number.find(c) ? CharClass::number
                             : space.find(c)  ? CharClass::space
                                              : CharClass::other;
    const ClassedChar found = classed_char(c, 0);
    ASSERT_EQ(found.kind, wanted) << std::hex << code;
    ASSERT_EQ(found.length, c.size()) << std::hex << code;
  }
}

}  // namespace
}  // namespace hellora::testing
