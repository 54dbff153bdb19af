#include "hellora/core/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace hellora {
namespace {

TEST(Utf8, AcceptsTheEdgesOfEveryLength) {
  for (const char* text : {"", "abc", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(text)) << ::testing::PrintToString(text);
  }
  EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
}

TEST(Utf8, RefusesWhatIsJustOutside) {
  for (const char* text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x7F", "\xC2\xC0", "\xE0\x9F\xBF", "\xE0\xA0", "\xED\xA0\x80", "\xEF\xBF\xC0",
        "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xFE"}) {
    EXPECT_FALSE(is_utf8(text)) << ::testing::PrintToString(text);
  }
}

/// Runs of ASCII are read eight bytes at a time.
TEST(Utf8, SeesABrokenCharacterAnywhereInALongText) {
  for (size_t length = 0; length < 30; ++length) {
    for (size_t at = 0; at <= length; ++at) {
      const std::string before(at, 'a'), after(length - at, 'a');
      const auto between = [&](const char* inside) { return std::string(before).append(inside).append(after); };
      EXPECT_TRUE(is_utf8(between("\xF0\x90\x80\x80")));
      EXPECT_FALSE(is_utf8(between("\xFF")));
      EXPECT_FALSE(is_utf8(between("\xF0\x90\x80")));
    }
  }
}

}  // namespace
}  // namespace hellora
