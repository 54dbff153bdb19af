// Keys that no format reads.
#include "hellora/data/record_keys.h"

#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

using std::string;

std::vector<string> unread(const char* format, const Json& more) {
  Json record = {{"prompt", "p"}, {"completion", "c"}, {"text", "t"}, {"messages", Json::array()}, {"input_ids", Json::array()}};
  if (string(format) == "gsm8k") record = {{"question", "q"}, {"answer", "a"}};
  Json own = Json::object();
  for (const auto& [key, value] : record.items()) {
    if (reads_key(find_format(format), key)) own[key] = value;
  }
  for (const auto& [key, value] : more.items()) own[key] = value;
  std::vector<string> keys;
  check_record_keys(find_format(format), own, "f:1", keys);
  return keys;
}

string refusal(const char* format, const Json& more) {
  return error_of<FormatError>([&] { unread(format, more); });
}

TEST(RecordKeys, WhatWouldChangeTheResultIsRefusedByName) {
  for (const char* format : {"messages", "prompt", "text", "ids"}) {
    for (const char* key : {"chosen", "rejected", "rejected_response"})
      EXPECT_CONTAINS(refusal(format, {{key, "x"}}), "f:1: \"" + string(key) + "\": preference pairs are not supported");
    for (const char* key : {"image", "images", "videos", "audio"})
      EXPECT_CONTAINS(refusal(format, {{key, {"x"}}}), "only text can be trained on");
    EXPECT_CONTAINS(refusal(format, {{"mask", true}}), "\"mask\": some tools");
    EXPECT_CONTAINS(refusal(format, {{"sample_weight_loss", 0.5}, {"trainable_turns", {1, 0}}}), "looks like a mark of what is learned");
    EXPECT_CONTAINS(refusal(format, {{"train_on_inputs", true}}), "data.train_on=all");
  }
  for (const char* key : {"system", "system_prompt", "tools", "history"})
    EXPECT_CONTAINS(refusal("prompt", {{key, "x"}}), "this format has no place");
  EXPECT_CONTAINS(refusal("gsm8k", {{"choices", {"a", "b"}}}), "multiple choice is not read");
  EXPECT_CONTAINS(refusal("messages", {{"label", false}}), "verdicts on an answer (KTO)");
  EXPECT_CONTAINS(refusal("messages", {{"documents", {{{"text", "d"}}}}}), "a template would show them");
  EXPECT_CONTAINS(refusal("ids", {{"seq_lengths", {3, 4}}}), "rows that were packed");
  EXPECT_CONTAINS(refusal("prompt", {{"completion_mask", {0, 1}}}), "with input_ids only");
}

TEST(RecordKeys, WhatHoldsNothingOrIsKnownIsNot) {
  const Json nothing = {{"chosen", nullptr}, {"images", Json::array()}, {"system", ""}, {"tools", Json::array()}, {"unheard_of", ""}};
  EXPECT_TRUE(unread("prompt", nothing).empty());
  const Json common = {{"id", 5},
                       {"source", "s"},
                       {"category", "c"},
                       {"meta", {{"a", 1}}},
                       {"conversation_id", "x"},
                       {"score", 0.3},
                       {"dataset", "d"},
                       {"label", 1},
                       {"language", "en"},
                       {"url", "u"},
                       {"model", "m"},
                       {"split", "train"},
                       {"tool_choice", "auto"},
                       {"mask", "User"}};
  for (const char* format : {"messages", "prompt", "text", "ids"}) EXPECT_TRUE(unread(format, common).empty()) << format;
  EXPECT_TRUE(unread("text", {{"system", "s"}, {"label", true}}).empty());
}

TEST(RecordKeys, OthersAreNamed) {
  EXPECT_EQ(unread("prompt", {{"context", "long"}, {"id", 1}, {"constraints", 3}, {"glossary", {"a"}}}),
            (std::vector<string>{"context", "constraints", "glossary"}));
}

TEST(RecordKeys, AreCountedOverAFile) {
  const Dataset data = load_lines("{\"text\":\"ab\",\"id\":1}\n{\"text\":\"cd\",\"odd\":1}\n{\"text\":\"ef\",\"odd\":2}\n");
  ASSERT_EQ(data.unread.size(), 1U);
  EXPECT_EQ(data.unread.at("odd").records, 2);
  EXPECT_CONTAINS(data.unread.at("odd").where, "rows.jsonl:2");
  EXPECT_EQ(dataset_facts(data)["unread_keys"]["odd"], 2);
}

/// A whole record of text may be taken out, too.
TEST(RecordKeys, MarksOfARecordOfText) {
  const Dataset data = load_lines("{\"text\":\"ab\",\"weight\":0}\n{\"text\":\"cd\",\"weight\":1}\n");
  EXPECT_EQ(data.examples.size(), 1U);
  EXPECT_EQ(data.skipped_empty, 1);
  EXPECT_CONTAINS(error_of<FormatError>([] { load_lines(R"({"text":"ab","weight":0.5})"); }), "rows.jsonl:1: \"weight\" must be 0 or 1");
}

}  // namespace
}  // namespace hellora::testing
