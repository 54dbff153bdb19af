// Conversations: what the formats become, and what is refused with its place.
#include "hellora/data/conversation.h"

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

Json message(const char* role, const Json& content) { return {{"role", role}, {"content", content}}; }
Json record_of(const Json& messages) { return {{"messages", messages}}; }
string refusal(const std::vector<Json>& messages) {
  return error_of<FormatError>([&] { from_messages(record_of(messages), "f:3"); });
}

TEST(Conversation, MessagesAndToolsAreTakenAsTheyAre) {
  Json record = record_of({message("system", "S"), message("user", "U"), message("assistant", "A")});
  record["tools"] = Json::array({{{"name", "f"}}});
  const Conversation out = from_messages(record, "f:1");
  EXPECT_EQ(out.messages.dump(), record["messages"].dump());
  EXPECT_EQ(out.tools.dump(), record["tools"].dump());
  record["tools"] = R"([{"name":"f"}])";
  EXPECT_EQ(from_messages(record, "f:1").tools.dump(), R"([{"name":"f"}])");
  for (const Json& none : {Json(), Json(""), Json::array(), Json("[]")}) {
    record["tools"] = none;
    EXPECT_TRUE(from_messages(record, "f:1").tools.is_null());
  }
}

TEST(Conversation, SharegptSpeakersBecomeRoles) {
  const Json record = parse_json(R"({"system":"S","tools":"[{\"name\":\"f\"}]","conversations":[{"from":"human","value":"a"},
    {"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{\"x\":1}}"},{"from":"observation","value":"r"},{"from":"gpt","value":"b","weight":0}]})",
                                 "t");
  const Conversation out = from_sharegpt(record, "f:1");
  EXPECT_EQ(
      out.messages.dump(),
      R"([{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":"","tool_calls":[{"type":"function",)"
      R"("function":{"name":"f","arguments":{"x":1}}}]},{"role":"tool","content":"r"},{"role":"assistant","content":"b","weight":0}])");
  EXPECT_EQ(out.tools.size(), 1U);
  const Json unknown = {{"conversations", {{{"from", "narrator"}, {"value", "x"}}}}};
  EXPECT_CONTAINS(error_of<FormatError>([&] { from_sharegpt(unknown, "f:2"); }),
                  "f:2: conversations[0]: unknown speaker \"narrator\"; known: human, user, gpt");
  const Json wrong = {{"conversations", {{{"from", "gpt"}, {"value", 5}}}}};
  EXPECT_CONTAINS(error_of<FormatError>([&] { from_sharegpt(wrong, "f:2"); }), "conversations[0]: key \"value\" must be a string");
  const Json call = {{"conversations", {{{"from", "function_call"}, {"value", "{"}}}}};
  EXPECT_CONTAINS(error_of<FormatError>([&] { from_sharegpt(call, "f:2"); }), "conversations[0]: value: not valid JSON");
}

TEST(Conversation, AlpacaHistoryComesFirst) {
  const Json record = parse_json(R"({"system":"S","history":[["q","a"]],"instruction":"Add.","input":"1 2","output":"3"})", "t");
  EXPECT_EQ(from_alpaca(record, "f:1").messages.dump(),
            R"([{"role":"system","content":"S"},{"role":"user","content":"q"},{"role":"assistant","content":"a"},)"
            R"({"role":"user","content":"Add.\n1 2"},{"role":"assistant","content":"3"}])");
  Json wrong = record;
  wrong["history"] = Json::array({{"q"}});
  EXPECT_CONTAINS(error_of<FormatError>([&] { from_alpaca(wrong, "f:1"); }), "history[0] must be a question and an answer");
}

TEST(Conversation, PromptAndCompletionFollowEachOther) {
  const Json ask = message("user", "U"), answer = message("assistant", "A");
  Json record = {{"prompt", {message("system", "S"), ask}}, {"completion", Json::array({answer})}, {"tools", R"([{"name":"f"}])"}};
  const Conversation out = from_prompt_messages(record, "f:1");
  EXPECT_EQ(out.messages.dump(), Json({message("system", "S"), ask, answer}).dump());
  EXPECT_EQ(out.prompt, 2U);
  EXPECT_EQ(out.tools.size(), 1U);
  const auto refused = [&](const char* key, const Json& value) {
    Json wrong = record;
    wrong[key] = value;
    return error_of<FormatError>([&] { from_prompt_messages(wrong, "f:2"); });
  };
  EXPECT_CONTAINS(refused("prompt", "U"), "f:2: \"prompt\" must be a list of messages, found string");
  EXPECT_CONTAINS(refused("completion", "A"), "f:2: \"completion\" must be a list of messages, found string");
  EXPECT_CONTAINS(refused("prompt", Json::array()), "f:2: \"prompt\" must be a list of messages, found an empty one");
  EXPECT_CONTAINS(refused("completion", {ask, ask}), "f:2: \"completion\" has no message of the assistant");
  EXPECT_CONTAINS(refused("prompt", {ask, 5}), "f:2: prompt[1]: expected a JSON object");
  EXPECT_CONTAINS(refused("completion", {answer, message("bot", "x")}), "f:2: completion[1]: unknown role \"bot\"");
}

TEST(Conversation, WrongTypesAreNamedByTheirPath) {
  EXPECT_CONTAINS(error_of<FormatError>([] { from_messages(record_of("x"), "f:3"); }), "f:3: \"messages\" must be a list, found string");
  EXPECT_CONTAINS(refusal({}), "f:3: the conversation is empty");
  EXPECT_CONTAINS(refusal({1}), "f:3: messages[0]: expected a JSON object");
  EXPECT_CONTAINS(refusal({message("user", "a"), {{"role", 5}, {"content", "b"}}}),
                  "f:3: messages[1]: key \"role\" must be a string, found number");
  EXPECT_CONTAINS(refusal({message("user", 5)}), "messages[0].content must be a string or a list of text parts, found number");
  EXPECT_CONTAINS(refusal({message("user", Json::array({{{"type", "image"}}}))}), "messages[0].content[0] is no text");
  EXPECT_CONTAINS(refusal({message("user", Json::array({{{"type", "text"}}}))}), "messages[0].content[0]: key \"text\" is missing");
  EXPECT_CONTAINS(refusal({{{"role", "user"}}}), "messages[0]: \"content\" is missing");
}

TEST(Conversation, EmptyTurnsUnknownRolesAndOrder) {
  EXPECT_CONTAINS(refusal({message("user", "")}), "messages[0].content is empty");
  EXPECT_CONTAINS(refusal({message("user", "a"), message("assistant", "")}), "messages[1].content is empty");
  EXPECT_CONTAINS(refusal({message("critic", "a")}),
                  "messages[0]: unknown role \"critic\"; known: system, developer, user, assistant, tool");
  EXPECT_CONTAINS(refusal({message("user", "a"), message("system", "b")}), "messages[1]: a system message stands after user");
  EXPECT_CONTAINS(refusal({message("user", "a"), message("tool", "b")}),
                  "messages[1]: a tool message must follow an assistant's call, here it follows user");
  EXPECT_CONTAINS(refusal({message("tool", "b")}), "messages[0]: a tool message must follow");
}

TEST(Conversation, CallsNeedANameAndArguments) {
  const auto calling = [](const Json& call) {
    return Json{message("user", "a"), {{"role", "assistant"}, {"content", ""}, {"tool_calls", {call}}}};
  };
  EXPECT_NO_THROW(from_messages(record_of(calling({{"function", {{"name", "f"}, {"arguments", "{}"}}}})), "f:1"));
  EXPECT_CONTAINS(refusal(calling({{"function", {{"arguments", "{}"}}}})), "messages[1].tool_calls[0]: key \"name\" is missing");
  EXPECT_CONTAINS(refusal(calling({{"name", "f"}, {"arguments", 5}})), "\"arguments\" must be an object or a string");
  Json user = calling({{"name", "f"}, {"arguments", "{}"}});
  user[1]["role"] = "user";
  EXPECT_CONTAINS(refusal(user), "messages[1]: only an assistant calls tools");
}

TEST(Conversation, TurnsCanBeTakenOutOfTheLoss) {
  EXPECT_TRUE(is_trained({{"role", "assistant"}}, "t"));
  EXPECT_FALSE(is_trained({{"weight", 0}}, "t"));
  EXPECT_FALSE(is_trained({{"train", false}, {"weight", 1}}, "t"));
  EXPECT_CONTAINS(refusal({{{"role", "user"}, {"content", "a"}, {"weight", 0.5}}}), "messages[0]: \"weight\" must be 0 or 1");
}

}  // namespace
}  // namespace hellora::testing
