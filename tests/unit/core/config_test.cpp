#include "hellora/core/config.h"

#include <gtest/gtest.h>

#include "hellora/core/error.h"

namespace hellora {
namespace {

using std::string;

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << "message: " << (text)

struct Section {
  string output = "runs";
  bool packing = true;
  int64_t rank = 32;
  Auto batch;
  double lr = 4e-4;
  string policy = "hot";
  std::vector<string> targets = {"gate"};

  Fields fields() {
    Fields out;
    out.add({text_field("output", &output, "folder"), flag_field("data.packing", &packing, "pack"),
             int_field("adapter.rank", &rank, 1, 1024, "rank"), auto_field("train.micro_batch_tokens", &batch, 1, 100, "tokens")});
    out.add({double_field("train.lr", &lr, 0.0, 1.0, "rate"), choice_field("select.policy", &policy, {"hot", "cold"}, "policy"),
             list_field("adapter.targets", &targets, "names")});
    return out;
  }
};

class ConfigTest : public ::testing::Test {
 protected:
  void set(const string& key, const string& value) { fields_.set_text(key, value, "cli"); }
  string refusal(const string& key, const string& value) {
    try {
      set(key, value);
    } catch (const ConfigError& error) {
      return error.what();
    }
    ADD_FAILURE() << "accepted: " << key << "=" << value;
    return {};
  }
  std::vector<string> printed(const string& key) { return fields_.find(key, "cli").get(); }
  string print(const string& key) { return printed(key).at(0); }

  Section section_;
  Fields fields_ = section_.fields();
};

TEST_F(ConfigTest, SetsAndPrintsEveryKind) {
  set("output", "a, b");
  set("data.packing", "false");
  set("adapter.rank", "1024");
  set("train.lr", "+1e-3");
  set("select.policy", "cold");
  EXPECT_EQ(section_.output, "a, b");
  EXPECT_FALSE(section_.packing);
  EXPECT_EQ(section_.rank, 1024);
  EXPECT_EQ(section_.lr, 1e-3);
  EXPECT_EQ(section_.policy, "cold");
  EXPECT_EQ(print("output"), "a, b");
  EXPECT_EQ(print("data.packing"), "false");
  EXPECT_EQ(print("adapter.rank"), "1024");
  EXPECT_EQ(print("train.lr"), "0.001");
  EXPECT_EQ(print("select.policy"), "cold");
}

TEST_F(ConfigTest, PrintedNumbersReadBackExactly) {
  for (const double value : {0.1, 1.0 / 3.0, 4e-4, 1e-300, 0.9999999999999999}) {
    section_.lr = value;
    const string text = print("train.lr");
    section_.lr = 0;
    set("train.lr", text);
    EXPECT_EQ(section_.lr, value) << text;
  }
}

TEST_F(ConfigTest, Auto) {
  EXPECT_EQ(print("train.micro_batch_tokens"), "auto");
  set("train.micro_batch_tokens", "100");
  EXPECT_EQ(section_.batch, 100);
  EXPECT_EQ(print("train.micro_batch_tokens"), "100");
  set("train.micro_batch_tokens", "auto");
  EXPECT_EQ(section_.batch, std::nullopt);
  EXPECT_CONTAINS(refusal("train.micro_batch_tokens", "101"), "auto or an integer from 1 to 100");
  EXPECT_CONTAINS(refusal("train.micro_batch_tokens", "Auto"), "not an integer");
}

TEST_F(ConfigTest, RangesHoldTheirEnds) {
  set("adapter.rank", "1");
  EXPECT_CONTAINS(refusal("adapter.rank", "0"), "cli: adapter.rank: 0 is not acceptable; expected an integer from 1 to 1024");
  EXPECT_CONTAINS(refusal("adapter.rank", "1025"), "from 1 to 1024");
  set("train.lr", "0");
  set("train.lr", "1");
  EXPECT_CONTAINS(refusal("train.lr", "1.0000001"), "a number from 0 to 1");
  EXPECT_CONTAINS(refusal("train.lr", "-1e-9"), "a number from 0 to 1");
  EXPECT_EQ(section_.lr, 1.0);  // a refused value changes nothing
  EXPECT_EQ(section_.rank, 1);
}

TEST_F(ConfigTest, RefusesWhatIsNoNumber) {
  for (const char* text : {"", " 1", "1 ", "1x", "0x10", "1.5", "99999999999999999999", "--1", "auto"}) {
    EXPECT_CONTAINS(refusal("adapter.rank", text), "is not an integer");
  }
  for (const char* text : {"", "nan", "inf", "-inf", "1e999", "0.5x", "+-0.5", "+", "++1", "0x1"}) {
    EXPECT_CONTAINS(refusal("train.lr", text), "is not a finite number");
  }
  EXPECT_CONTAINS(refusal("data.packing", "maybe"), "expected true or false");
  EXPECT_CONTAINS(refusal("select.policy", "warm"), "\"warm\" is not acceptable; expected one of hot, cold");
}

TEST_F(ConfigTest, FlagsAreSpelledAsInYaml) {
  for (const char* text : {"True", "TRUE", "yes", "on", "On", "true"}) {
    section_.packing = false;
    set("data.packing", text);
    EXPECT_TRUE(section_.packing) << text;
  }
  for (const char* text : {"False", "NO", "no", "off", "false"}) {
    section_.packing = true;
    set("data.packing", text);
    EXPECT_FALSE(section_.packing) << text;
  }
  for (const char* text : {"", "tRUE", "y", "1", "null"}) EXPECT_CONTAINS(refusal("data.packing", text), "expected true or false");
}

TEST_F(ConfigTest, Lists) {
  using List = std::vector<string>;
  const std::vector<std::pair<string, List>> cases = {{"q,k", {"q", "k"}},     {"[q, k ]", {"q", "k"}}, {"q", {"q"}}, {"[]", {}}, {"", {}},
                                                      {" a ,, b ", {"a", "b"}}};
  for (const auto& [text, wanted] : cases) {
    set("adapter.targets", text);
    EXPECT_EQ(section_.targets, wanted) << text;
    EXPECT_EQ(printed("adapter.targets"), wanted);
  }
  const std::vector<string> both = {"1", "2"};
  EXPECT_THROW(fields_.set("adapter.rank", both, "file"), ConfigError);
  EXPECT_THROW(fields_.set("adapter.rank", {}, "file"), ConfigError);
  fields_.set("adapter.targets", both, "file");
  EXPECT_EQ(section_.targets, both);
}

TEST_F(ConfigTest, UnknownKeysNameTheNearest) {
  EXPECT_CONTAINS(refusal("adapter.rnak", "1"), "cli: unknown key \"adapter.rnak\"; the nearest known key is \"adapter.rank\"");
  EXPECT_CONTAINS(refusal("train.Lr", "1"), "\"train.lr\"");
  EXPECT_EQ(refusal("zzzzzzzzzzzz", "1"), "cli: unknown key \"zzzzzzzzzzzz\"");
}

TEST_F(ConfigTest, AFieldIsDeclaredOnce) {
  EXPECT_THROW(fields_.add({text_field("output", &section_.output, "again")}), std::logic_error);
  EXPECT_EQ(fields_.all().size(), 7U);
}

}  // namespace
}  // namespace hellora
