#include "hellora/core/json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>

#include "hellora/core/error.h"

namespace hellora {
namespace {

using std::string;

string refusal(const string& text) {
  try {
    parse_json(text, "here");
  } catch (const FormatError& error) {
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << text;
  return {};
}

#define EXPECT_CONTAINS(text, part) EXPECT_NE((text).find(part), std::string::npos) << "message: " << (text)

TEST(ParseJson, KeepsValuesAndTheOrderOfKeys) {
  const string text = R"({"z":[1,-2,18446744073709551615,0.5,1e300],"a":{"t":true,"f":false,"n":null},"e":[],"o":{},"s":"é\n\u00e9"})";
  const Json value = parse_json(text, "here");
  EXPECT_EQ(value, Json::parse(text));  // the library's own builder
  EXPECT_EQ(value.dump(), Json::parse(text).dump());
  EXPECT_EQ(value.begin().key(), "z");
  EXPECT_TRUE(value["z"][1].is_number_integer());
  EXPECT_TRUE(value["z"][3].is_number_float());
}

TEST(ParseJson, TakesEveryKindAtTheTop) {
  for (const char* text : {"1", "-1", "\"a\"", "true", "null", "[]", "{}", " [ ] ", "[[],{\"a\":[{}]}]"}) {
    EXPECT_EQ(parse_json(text, "here"), Json::parse(text)) << text;
  }
}

TEST(ParseJson, RefusesDuplicateKeysAtEveryLevel) {
  EXPECT_CONTAINS(refusal(R"({"a":1,"a":1})"), "here: duplicate key \"a\"");
  EXPECT_CONTAINS(refusal(R"([{"x":{"b":1,"b":2}}])"), "duplicate key \"b\"");
  EXPECT_CONTAINS(refusal(R"({"a":1,"\u0061":1})"), "duplicate key \"a\"");
  EXPECT_NO_THROW(parse_json(R"([{"a":1},{"a":{"a":2}}])", "here"));
}

/// Small objects are looked through, large ones are not: a name may come again anywhere.
TEST(ParseJson, RefusesDuplicateKeysInObjectsOfAnySize) {
  for (int size = 1; size < 24; ++size) {
    std::string object = "{";
    for (int i = 0; i < size; ++i) object.append(i == 0 ? "" : ",").append("\"k").append(std::to_string(i)).append("\":1");
    EXPECT_EQ(parse_json(object + "}", "here").size(), static_cast<size_t>(size));
    for (int i = 0; i < size; ++i) {
      const std::string name = std::string("k").append(std::to_string(i));
      EXPECT_CONTAINS(refusal(std::string(object).append(",\"").append(name).append("\":1}")),
                      std::string("duplicate key \"").append(name).append("\""));
    }
  }
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const char* text : {"",   " ",   "{",       "[1,]", "{\"a\":1,}", "{a:1}",    "NaN", "Infinity", "1e999", "01",
                           "+1", "'a'", "// c\n1", "1 2",  "\"\xFF\"",   "\"a\nb\"", "nul", "{\"a\"}",  "{1:2}", "[1"}) {
    EXPECT_CONTAINS(refusal(text), "here: not valid JSON");
  }
}

TEST(ParseJson, SaysWhere) {
  EXPECT_CONTAINS(refusal("{\"a\": 1, b}"), "here: not valid JSON at column 10 (syntax error while parsing object key");
  EXPECT_CONTAINS(refusal("{\n  \"a\": x\n}"), "here: not valid JSON at line 2, column 8 (syntax error while parsing value");
  EXPECT_CONTAINS(refusal("[1e999]"), "(number overflow parsing '1e999')");
}

TEST(ParseJson, RefusesNulBytes) {
  EXPECT_CONTAINS(refusal(string("1\0 trailing", 11)), "NUL");
  EXPECT_CONTAINS(refusal(string("\"a\0b\"", 5)), "NUL");
  EXPECT_EQ(parse_json("\"\\u0000\"", "here").get<string>(), string(1, '\0'));
}

TEST(ParseJson, BoundsTheDepth) {
  const auto nested = [](size_t depth) { return string(depth, '[') + string(depth, ']'); };
  EXPECT_NO_THROW(parse_json(nested(128), "here"));
  EXPECT_CONTAINS(refusal(nested(129)), "nested deeper than 128");
  EXPECT_CONTAINS(refusal(string(5'000'000, '[')), "nested deeper than 128");
  string objects = "1";
  for (int i = 0; i < 129; ++i) objects = "{\"a\":" + objects + "}";
  EXPECT_CONTAINS(refusal(objects), "nested deeper than 128");
}

TEST(ParseJson, ManyKeysDoNotTakeQuadraticTime) {
  string text = "{";
  for (int i = 0; i < 200'000; ++i)
    text += (i > 0 ? ",\"some.long.common.prefix." : "\"some.long.common.prefix.") + std::to_string(i) + "\":1";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(parse_json(text + "}", "here").size(), 200'000U);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

const Json kSample =
    Json::parse(R"({"i":-3,"big":9223372036854775808,"max":9223372036854775807,"d":0.25,"b":true,"s":"x","n":null,"l":[1,2],"m":[1,2.5]})");

template <class Action>
string format_error(Action&& action) {
  try {
    action();
  } catch (const FormatError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(JsonMember, ReadsTheRightTypes) {
  EXPECT_EQ(int_member(kSample, "i", "w"), -3);
  EXPECT_EQ(int_member(kSample, "max", "w"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(double_member(kSample, "d", "w"), 0.25);
  EXPECT_EQ(double_member(kSample, "i", "w"), -3.0);
  EXPECT_TRUE(bool_member(kSample, "b", "w"));
  EXPECT_EQ(string_member(kSample, "s", "w"), "x");
  EXPECT_EQ(ints_member(kSample, "l", "w"), (std::vector<int64_t>{1, 2}));
}

TEST(JsonMember, RefusesOtherTypesAndNamesTheKey) {
  EXPECT_CONTAINS(format_error([] { int_member(kSample, "d", "w"); }), "w: key \"d\" must be an integer, found number");
  EXPECT_CONTAINS(format_error([] { int_member(kSample, "b", "w"); }), "found boolean");
  EXPECT_CONTAINS(format_error([] { int_member(kSample, "big", "w"); }), "64 signed bits");
  EXPECT_CONTAINS(format_error([] { double_member(kSample, "s", "w"); }), "must be a number, found string");
  EXPECT_CONTAINS(format_error([] { bool_member(kSample, "i", "w"); }), "must be true or false");
  EXPECT_CONTAINS(format_error([] { string_member(kSample, "n", "w"); }), "must be a string, found null");
  EXPECT_CONTAINS(format_error([] { ints_member(kSample, "i", "w"); }), "must be an array of integers");
  EXPECT_CONTAINS(format_error([] { ints_member(kSample, "m", "w"); }), "must be an integer");
  EXPECT_CONTAINS(format_error([] { member(kSample, "zz", "w"); }), "w: key \"zz\" is missing");
  EXPECT_CONTAINS(format_error([] { member(Json(3), "zz", "w"); }), "expected a JSON object, found number");
}

TEST(JsonMember, FallbacksAreForAbsentAndNullOnly) {
  EXPECT_EQ(int_or(kSample, "zz", 7, "w"), 7);
  EXPECT_EQ(int_or(kSample, "n", 7, "w"), 7);
  EXPECT_EQ(int_or(kSample, "i", 7, "w"), -3);
  EXPECT_EQ(double_or(kSample, "zz", 1.5, "w"), 1.5);
  EXPECT_TRUE(bool_or(kSample, "b", false, "w"));
  EXPECT_EQ(string_or(kSample, "n", "f", "w"), "f");
  EXPECT_CONTAINS(format_error([] { int_or(kSample, "s", 7, "w"); }), "must be an integer");
  EXPECT_CONTAINS(format_error([] { string_or(kSample, "i", "f", "w"); }), "must be a string");
  EXPECT_FALSE(has(kSample, "n"));
  EXPECT_FALSE(has(kSample, "zz"));
  EXPECT_TRUE(has(kSample, "i"));
  EXPECT_FALSE(has(Json::array(), "i"));
}

}  // namespace
}  // namespace hellora
