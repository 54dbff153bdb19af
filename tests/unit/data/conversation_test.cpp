// Conversations: what the formats become, and what is refused with its place.
#include "hellora/data/conversation.h"

#include "hellora/data/marks.h"
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
  const Json wrong = {{"conversations", {{{"from", "gpt"}, {"value", true}}}}};
  EXPECT_CONTAINS(error_of<FormatError>([&] { from_sharegpt(wrong, "f:2"); }), "conversations[0].value must be a string");
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
  EXPECT_CONTAINS(refused("completion", {answer, message("critic", "x")}), "f:2: completion[1]: unknown role \"critic\"");
  EXPECT_CONTAINS(refused("completion", {answer, ask, message("tool", "r")}), "f:2: completion[2]: a tool message must follow");
  record["prompt"] = {message("system", ""), ask};  // the empty one is left out, and counts where the others stand
  EXPECT_CONTAINS(refused("completion", {answer, ask, message("tool", "r")}), "f:2: completion[2]: a tool message must follow");
}

TEST(Conversation, WrongTypesAreNamedByTheirPath) {
  EXPECT_CONTAINS(error_of<FormatError>([] { from_messages(record_of("x"), "f:3"); }), "f:3: \"messages\" must be a list, found string");
  EXPECT_CONTAINS(refusal({}), "f:3: the conversation is empty");
  EXPECT_CONTAINS(refusal({1}), "f:3: messages[0]: expected a JSON object");
  EXPECT_CONTAINS(refusal({message("user", "a"), {{"role", 5}, {"content", "b"}}}),
                  "f:3: messages[1]: key \"role\" must be a string, found number");
  EXPECT_CONTAINS(refusal({message("user", true)}), "messages[0].content must be a string or a list of text parts, found boolean");
  EXPECT_CONTAINS(refusal({message("user", Json::array({{{"type", "image"}}}))}), "messages[0].content[0] is no text");
  EXPECT_CONTAINS(refusal({message("user", Json::array({{{"type", "text"}}}))}), "messages[0].content[0]: key \"text\" is missing");
  EXPECT_CONTAINS(refusal({{{"role", "user"}}}), "messages[0]: \"content\" is missing");
}

TEST(Conversation, UnknownRolesAndOrder) {
  EXPECT_CONTAINS(refusal({message("critic", "a")}),
                  "messages[0]: unknown role \"critic\"; known: human, user, gpt, system, assistant, tool, developer");
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

string read(const char* record) { return from_messages(parse_json(record, "t"), "f:1").messages.dump(); }

TEST(Conversation, HarmlessOddRowsAreReadAsTheyAreMeant) {
  const string plain = R"([{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}])";
  for (const char* same : {
           R"({"messages":[{"role":"system","content":""},{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]})",
           R"({"messages":[{"role":"system","content":null},{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]})",
           R"({"messages":[{"role":"system","content":[]},{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]})",
           R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho","tool_calls":[]}]})",
           R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho","tool_calls":null,"function_call":null}]})",
           R"({"messages":[{"role":"human","content":"hi"},{"role":"model","content":"ho"}],"tools":[],"system":""})",
           R"({"messages":[{"from":"human","value":"hi"},{"from":"gpt","value":"ho"}],"tools":"","system":null})",
       })
    EXPECT_EQ(read(same), plain) << same;
  EXPECT_EQ(read(R"({"messages":[{"role":"user","content":""},{"role":"assistant","content":""}]})"),
            R"([{"role":"user","content":""},{"role":"assistant","content":""}])");
  EXPECT_EQ(read(R"({"messages":[{"role":"user","content":7},{"role":"assistant","content":0.5}]})"),
            R"([{"role":"user","content":"7"},{"role":"assistant","content":"0.5"}])");
  const Json roles = parse_json(R"({"conversations":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]})", "t");
  EXPECT_EQ(from_sharegpt(roles, "f:1").messages.dump(), plain);
}

TEST(Conversation, ASystemMessageBesideTheTurnsComesFirst) {
  const string expected = R"([{"role":"system","content":"S"},{"role":"user","content":"u"}])";
  for (const char* key : {"system", "system_prompt", "system_message"}) {
    EXPECT_EQ(read((string("{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],\"") + key + "\":\"S\"}").c_str()), expected);
  }
  EXPECT_EQ(read(R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":"u"}],"system":"S"})"), expected);
  const Json other = parse_json(R"({"messages":[{"role":"system","content":"T"},{"role":"user","content":"u"}],"system":"S"})", "t");
  EXPECT_CONTAINS(error_of<FormatError>([&] { from_messages(other, "f:1"); }), "another one beside it");
  const Json two = parse_json(R"({"messages":[{"role":"user","content":"u"}],"system":"S","system_prompt":"T"})", "t");
  EXPECT_CONTAINS(error_of<FormatError>([&] { from_messages(two, "f:1"); }), "\"system\" and \"system_prompt\" say different things");
}

TEST(Conversation, OlderCallsAndCallsWithoutArguments) {
  EXPECT_EQ(
      read(R"({"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"","function_call":{"name":"f","arguments":"{}"}},
                    {"role":"function","name":"f","content":"r"}]})"),
      R"([{"role":"user","content":"u"},{"role":"assistant","content":"","tool_calls":[{"type":"function","function":{"name":"f",)"
      R"("arguments":"{}"}}]},{"role":"tool","name":"f","content":"r"}])");
  EXPECT_CONTAINS(read(R"({"messages":[{"role":"user","content":"u"},{"role":"assistant","tool_calls":[{"name":"f","arguments":null}]}]})"),
                  R"("arguments":{})");
}

TEST(Conversation, PlacesAreThoseOfTheFile) {
  const Json record =
      parse_json(R"({"messages":[{"role":"system","content":""},{"role":"user","content":"u"},{"role":"tool","content":"t"}]})", "t");
  EXPECT_CONTAINS(error_of<FormatError>([&] { from_messages(record, "f:1"); }), "f:1: messages[2]: a tool message must follow");
  const Json share = parse_json(R"({"conversations":[{"from":"human","value":"u"},{"from":"tool","value":"t"}]})", "t");
  EXPECT_CONTAINS(error_of<FormatError>([&] { from_sharegpt(share, "f:1"); }), "f:1: conversations[1]: a tool message");
}

TEST(Conversation, MediaAndUnknownMarksOfATurnAreRefused) {
  const auto with = [](const char* key, const Json& value) {
    Json turn = message("assistant", "a");
    turn[key] = value;
    return refusal({message("user", "u"), turn});
  };
  EXPECT_CONTAINS(with("images", {"a.png"}), "f:3: messages[1]: \"images\": only text can be trained on");
  EXPECT_CONTAINS(with("train_detail", {{{"begin_offset", 0}}}), "\"train_detail\": marks inside of a turn");
  EXPECT_CONTAINS(with("mask", true), "\"mask\": some tools learn what it marks");
  EXPECT_CONTAINS(with("is_trainable", false), "looks like a mark of what is learned");
  EXPECT_CONTAINS(with("lossWeight", 0.5), "looks like a mark of what is learned");
  EXPECT_CONTAINS(with("no-loss", true), "looks like a mark of what is learned");
  for (const char* image : {"image_url", "input_audio", "file", "video"})
    EXPECT_CONTAINS(refusal({message("user", Json::array({{{"type", image}}}))}), "only text can be trained on");
  Json harmless = message("assistant", "a");
  for (const char* key : {"id", "name", "constraint", "glossary", "timestamp"}) harmless[key] = 5;
  EXPECT_NO_THROW(from_messages(record_of({message("user", "u"), harmless}), "f:1"));
}

TEST(Marks, EveryToolsMarkIsUnderstood) {
  EXPECT_TRUE(is_trained({{"role", "assistant"}}, "t"));
  for (const char* key : {"train", "training", "trainable", "loss", "loss_mask", "loss_weight", "loss_scale", "weight"}) {
    for (const Json& off : {Json(0), Json(0.0), Json(false)}) EXPECT_FALSE(is_trained({{key, off}}, "t")) << key;
    for (const Json& on : {Json(1), Json(1.0), Json(true), Json()}) EXPECT_TRUE(is_trained({{key, on}}, "t")) << key;
    for (const Json& wrong : {Json(0.5), Json(2), Json(-1), Json("no"), Json::array({1})}) {
      EXPECT_CONTAINS(error_of<FormatError>([&] {
                        is_trained({{key, wrong}}, "f:1");
                      }),
                      "f:1: \"" + string(key) + "\" must be 0 or 1, or true or false");
    }
  }
  EXPECT_FALSE(is_trained({{"masked", true}}, "t"));
  EXPECT_TRUE(is_trained({{"masked", 0}}, "t"));
  EXPECT_FALSE(is_trained({{"train", false}, {"weight", 1}}, "t"));
  EXPECT_FALSE(is_trained({{"weight", 1}, {"loss", false}}, "t"));
  EXPECT_CONTAINS(refusal({{{"role", "user"}, {"content", "a"}, {"weight", 0.5}}}), "messages[0]: \"weight\" must be 0 or 1");
}

std::vector<int> trained(const char* marks, const char* system = "") {
  const string text = string(R"({"messages":[)") + system +
                      R"({"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user",)" +
                      R"("content":"r"},{"role":"assistant","content":"b"}],)" + marks + "}";
  const Conversation out = from_messages(parse_json(text, "t"), "f:1");
  std::vector<int> learned;
  for (const Json& one : out.messages) {
    if (one["role"] == "assistant") learned.push_back(is_trained(one, "t") ? 1 : 0);
  }
  return learned;
}

TEST(Marks, OfARecordAreForAllTurnsOrListed) {
  using Seen = std::vector<int>;
  EXPECT_EQ(trained(R"("loss_mask":[0,0,0,1])"), (Seen{0, 1}));
  EXPECT_EQ(trained(R"("loss_mask":[1,0])"), (Seen{1, 0}));  // one for each answer
  EXPECT_EQ(trained(R"("loss_mask":[0,0,1,0,0])", R"({"role":"system","content":""},)"), (Seen{1, 0}));
  EXPECT_EQ(trained(R"("weight":0)"), (Seen{0, 0}));
  EXPECT_EQ(trained(R"("train":true)"), (Seen{1, 1}));
  EXPECT_CONTAINS(error_of<FormatError>([] { trained(R"("loss_mask":[0,1,1])"); }),
                  "f:1: \"loss_mask\" has 3 entries; there are 4 messages, 2 of them the assistant's");
  EXPECT_CONTAINS(error_of<FormatError>([] { trained(R"("loss_mask":[0,0.3])"); }), "\"loss_mask\"[1]: \"loss_mask\" must be 0 or 1");
}

}  // namespace
}  // namespace hellora::testing
