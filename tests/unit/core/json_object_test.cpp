#include "hellora/core/json_object.h"

#include <gtest/gtest.h>

#include <functional>

#include "hellora/core/error.h"
#include "hellora/core/finite.h"

namespace hellora {
namespace {

using std::string;

string refusal(const string& text, const std::function<void(JsonObject&)>& read) {
  const Json value = Json::parse(text);
  try {
    JsonObject object(value, "file.json");
    read(object);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "accepted";
}

#define EXPECT_REFUSED(text, read, part)                                                              \
  do {                                                                                                \
    const string message = refusal(text, [](JsonObject& o) { read; });                                \
    EXPECT_NE(message.find(part), string::npos) << text << ": " << message;                           \
    EXPECT_TRUE(message.starts_with("file.json: ") && message.find('\n') == string::npos) << message; \
  } while (false)
#define EXPECT_ACCEPTED(text, read) EXPECT_EQ(refusal(text, [](JsonObject& o) { read; }), "accepted")

TEST(JsonObject, NumbersHaveRangesOnBothSidesAndAreFinite) {
  EXPECT_ACCEPTED(R"({"n":1})", EXPECT_EQ(o.integer("n", 1, 1), 1));
  EXPECT_ACCEPTED(R"({"n":1.5})", EXPECT_EQ(o.number("n", 0, 2), 1.5));
  EXPECT_ACCEPTED(R"({"n":1})", EXPECT_EQ(o.positive("n"), 1));
  for (const char* text : {R"({"n":0})", R"({"n":5})", R"({"n":-1})", R"({"n":1.0})", R"({"n":18446744073709551615})", R"({"n":"1"})",
                           R"({"n":null})", R"({"n":true})", R"({"n":[1]})"})
    EXPECT_REFUSED(text, o.integer("n", 1, 4), "\"n\"");
  for (const char* text : {R"({"n":-0.1})", R"({"n":4.1})", R"({"n":1e308})", R"({"n":"1"})", R"({"n":false})"})
    EXPECT_REFUSED(text, o.number("n", 0, 4), "expected a number from 0");
  for (const char* text : {R"({"n":0})", R"({"n":-3})"}) EXPECT_REFUSED(text, o.positive("n"), "above 0");
  EXPECT_REFUSED(R"({"n":[1,-2]})", o.integers("n", 0, 9), "array of integers from 0 to 9");
  EXPECT_REFUSED(R"({"n":[1,"a"]})", o.numbers("n", 0, 9), "array of numbers");
  EXPECT_REFUSED(R"({"n":[1]})", o.texts("n"), "array of strings");
}

TEST(JsonObject, AbsentAndNullTakeTheFallback) {
  EXPECT_ACCEPTED(R"({"a":null})", EXPECT_EQ(o.integer_or("a", 7, 0, 9), 7));
  EXPECT_ACCEPTED("{}", EXPECT_EQ(o.text_or("a", "x"), "x"));
  EXPECT_ACCEPTED("{}", EXPECT_EQ(o.choice_or("a", "x", {"y"}), "x"));
  EXPECT_REFUSED("{}", o.text("a"), "\"a\" is missing");
  EXPECT_REFUSED(R"({"a":"nonsense"})", o.choice("a", {"all", "completion"}), R"("nonsense"; expected "all" or "completion")");
}

TEST(JsonObject, EveryKeyIsUsedHarmlessOrRefused) {
  EXPECT_ACCEPTED(R"({"a":1,"b":2})", (o.integer("a", 0, 9), o.harmless({"b"}), o.finish(Unknown::refuse)));
  EXPECT_REFUSED(R"({"a":1,"strange":2})", (o.integer("a", 0, 9), o.finish(Unknown::refuse)), "\"strange\" is 2; hellora does not know");
  EXPECT_ACCEPTED(R"({"a":null,"b":false,"c":0,"d":"","e":[],"f":{},"g":"none"})", o.finish(Unknown::refuse));
  EXPECT_ACCEPTED(R"({"use_dora":false})", (o.refuse("use_dora", "no"), o.finish(Unknown::refuse)));
  EXPECT_REFUSED(R"({"use_dora":true})", o.refuse("use_dora", "hellora reads adapters without it"), "\"use_dora\" is true; hellora reads");
  EXPECT_ACCEPTED(R"({"init":true})", o.only("init", {"true", "\"gaussian\""}, "why"));
  EXPECT_REFUSED(R"({"init":"pissa"})", o.only("init", {"true", "\"gaussian\""}, "it changes the base"), "\"pissa\"; it changes the base");
}

TEST(JsonObject, MessagesStayOnOneShortLine) {
  const string message = refusal("{\"a\\n\\u001b\":\"" + string(1000, 'x') + "\\n\"}", [](JsonObject& o) { o.finish(Unknown::refuse); });
  EXPECT_LT(message.size(), 300U);
  EXPECT_EQ(message.find_first_of("\n\x1b"), string::npos);
  EXPECT_NE(refusal("[1]", [](JsonObject&) {}).find("expected a JSON object"), string::npos);
}

TEST(Finite, NamesThePlace) {
  EXPECT_EQ(finite(-1.5, "x"), -1.5);
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    try {
      finite(bad, "evaluation loss of d.jsonl");
      ADD_FAILURE() << bad;
    } catch (const CheckFailed& error) {
      EXPECT_TRUE(string(error.what()).starts_with("evaluation loss of d.jsonl is ")) << error.what();
    }
  }
}

}  // namespace
}  // namespace hellora
