#include "hellora/core/text.h"

#include <gtest/gtest.h>

#include <climits>

#include "hellora/core/error.h"
#include "hellora/core/log.h"

namespace hellora {
namespace {

using List = std::vector<std::string>;

TEST(Text, Trim) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim(" \n"), "");
}

TEST(Text, SplitAndJoin) {
  EXPECT_EQ(split("a,,b,", ','), (List{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), (List{""}));
  EXPECT_EQ(join(List{"a", "b"}, ", "), "a, b");
  EXPECT_EQ(join(List{}, ", "), "");
}

TEST(Text, NearestName) {
  const List names = {"train", "eval", "select", "inspect"};
  EXPECT_EQ(nearest_name("trian", names), "train");
  EXPECT_EQ(nearest_name("selct", names), "select");
  EXPECT_EQ(nearest_name("train", names), "train");
  EXPECT_EQ(nearest_name("inspector", names), "inspect");
  EXPECT_EQ(nearest_name("generate", names), "");
  EXPECT_EQ(nearest_name("x", List{}), "");
  EXPECT_EQ(nearest_name(std::string(1 << 28, 't'), names), "");  // at once
}

TEST(Text, WithCommas) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(47218688), "47,218,688");
  EXPECT_EQ(with_commas(-100), "-100");
  EXPECT_EQ(with_commas(-123456), "-123,456");
  EXPECT_EQ(with_commas(LLONG_MIN), "-9,223,372,036,854,775,808");
}

TEST(Text, HumanBytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.50 KiB");
  EXPECT_EQ(human_bytes(1.25 * 1024 * 1024 * 1024), "1.25 GiB");
  EXPECT_EQ(human_bytes(4096.0 * 1024 * 1024 * 1024 * 1024), "4096.00 TiB");
}

TEST(Text, Fixed) {
  EXPECT_EQ(fixed(1.005, 1), "1.0");
  EXPECT_EQ(fixed(-2.0, 0), "-2");
  const std::string large = fixed(1e308, 2);  // longer than a small buffer
  EXPECT_EQ(large.size(), 312U);
  EXPECT_TRUE(large.starts_with("1") && large.ends_with(".00")) << large;
}

TEST(LogLevel, Names) {
  EXPECT_EQ(parse_log_level("debug"), LogLevel::debug);
  EXPECT_EQ(parse_log_level("quiet"), LogLevel::quiet);
  EXPECT_THROW(parse_log_level("loud"), ConfigError);
}

TEST(Check, ThrowsAProgrammerError) {
  try {
    HELLORA_CHECK(1 + 1 == 3, "sum");
    FAIL() << "no error";
  } catch (const std::logic_error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("1 + 1 == 3: sum"), std::string::npos) << message;
    EXPECT_NE(message.find("text_test.cpp:"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace hellora
