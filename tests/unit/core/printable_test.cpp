#include "hellora/core/printable.h"

#include <gtest/gtest.h>

namespace hellora {
namespace {

TEST(Printable, KeepsWhatPeopleRead) {
  for (const std::string text : {"", "plain text", "Größe 世界 🙂", "e\u0301", "a\\nb"}) EXPECT_EQ(printable(text), text);
}

TEST(Printable, ShowsWhatWouldActOnATerminal) {
  EXPECT_EQ(printable("\x1b]0;owned\x07"), "\\x1B]0;owned\\x07");
  EXPECT_EQ(printable("a\nerror: forged\r\tb"), "a\\nerror: forged\\r\\tb");
  EXPECT_EQ(printable(std::string_view("\0\x7f", 2)), "\\x00\\x7F");
  EXPECT_EQ(printable("\u009b31m"), "\\x9B31m");            // CSI as one C1 character
  EXPECT_EQ(printable("\x9b\xff\xc3"), "\\x9B\\xFF\\xC3");  // broken UTF-8
  EXPECT_EQ(printable("\u202Etxt.exe\u2066\u2028"), "\\u202Etxt.exe\\u2066\\u2028");
}

TEST(Printable, OfLinesAndTextsLeavesWhatBelongsToThem) {
  EXPECT_EQ(printable_lines("a\nb\tc\x1b[2J\r\n"), "a\nb\\tc\\x1B[2J\\r\n");
  EXPECT_EQ(printable_lines("\u202E"), "\\u202E");
  EXPECT_EQ(printable_text("a\nb\tc\x1b]0;t\x07\x7f\u009B"), "a\nb\tc\\x1B]0;t\\x07\\x7F\\x9B");
  EXPECT_EQ(printable_text("\u200Fשלום\u200F"), "\u200Fשלום\u200F");
}

}  // namespace
}  // namespace hellora
