// The parts of the tokenizer by themselves: byte alphabet, composition, regular expressions.
#include <set>

#include "hellora/text/nfc.h"
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
  EXPECT_EQ(bytes_of_token("ĠaÃ©"), " aé");
  EXPECT_EQ(bytes_of_token("Ġ世"), "Ġ世");  // one character outside, and the token stands for itself
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

TEST(Nfc, ComposesAcrossWhatIsCutForSpeed) {
  EXPECT_EQ(nfc("plain e\u0301 plain"), "plain \u00E9 plain");
  EXPECT_EQ(nfc("\u00E9a\u0301\u00E9"), "\u00E9\u00E1\u00E9");
  EXPECT_EQ(nfc("\u0301a"), "\u0301a");  // nothing stands before it
  EXPECT_EQ(nfc("a\u0323\u0301b\u0323"), "\u1EA1\u0301\u1E05");
}

TEST(Nfc, LeavesMarksThatTheReferenceDoesNotKnow) {
  EXPECT_EQ(nfc("a\u0898\u0301"), "a\u0898\u0301");  // Unicode 14; composed around it otherwise
  EXPECT_EQ(nfc("a\u0301\u0898e\u0301"), "\u00E1\u0898\u00E9");
  EXPECT_EQ(nfc("q\u0345\u0898"), "q\u0345\u0898");                // not reordered
  EXPECT_EQ(nfc("\U00011935\U00011930"), "\U00011935\U00011930");  // Unicode 13's composition
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
  EXPECT_EQ(matches("x*", "axxb"), (std::vector<string>{"", "xx", ""}));  // the empty one that touches "xx" is not visited
  EXPECT_EQ(matches(escape_regex("a.b|c+"), "axb a.b|c+"), std::vector<string>{"a.b|c+"});
  for (const char* special : {"^", "$", "(", ")", "[", "]", "{", "}", "*", "+", "?", "\\", "|", ".", "-", "#", "/", "é"}) {
    EXPECT_EQ(matches(escape_regex(special), string("a") + special + "b"), std::vector<string>{special});
  }
}

TEST(RegexMatch, LongTextsNeedNoStack) {
  EXPECT_EQ(matches("(?:a|b)+", string(1 << 20, 'a')).size(), 1U);
  EXPECT_EQ(matches("\\p{L}+", string(1 << 20, 'a')).size(), 1U);
}

TEST(RegexMatch, GivesUpWithAnErrorInsteadOfHanging) {
  EXPECT_CONTAINS(error_of<DataError>([] { matches("(a+)+$", string(64, 'a').append("b")); }), "gave up");
}

}  // namespace
}  // namespace hellora::testing
