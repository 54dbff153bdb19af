// Records become prompt and completion.
#include "hellora/data/format.h"

#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

using std::string;

string detected(const Json& record) { return string(detect_format(record, "f:1").name); }

TEST(RecordFormat, IsDetectedByItsKeys) {
  EXPECT_EQ(detected({{"question", "q"}, {"answer", "a"}, {"extra", 1}}), "gsm8k");
  EXPECT_EQ(detected({{"instruction", "i"}, {"input", "x"}, {"output", "o"}}), "instruction");
  EXPECT_EQ(detected({{"instruction", "i"}, {"output", "o"}}), "instruction");
  EXPECT_EQ(detected({{"prompt", "p"}, {"completion", "c"}}), "prompt");
  EXPECT_EQ(detected({{"text", "t"}}), "text");
  EXPECT_EQ(detected({{"messages", Json::array()}, {"text", "t"}}), "messages");
  EXPECT_EQ(detected({{"conversations", Json::array()}}), "sharegpt");
  EXPECT_EQ(detected({{"instruction", "i"}, {"output", "o"}, {"system", "s"}}), "alpaca");
  EXPECT_EQ(detected({{"instruction", "i"}, {"output", "o"}, {"system", ""}, {"history", Json::array()}}), "instruction");
  EXPECT_EQ(detected({{"input_ids", {1}}}), "ids");
  EXPECT_EQ(detected({{"question", "q"}, {"text", "t"}}), "text");  // half of gsm8k is not gsm8k
  const string refused = error_of<FormatError>([] { detected({{"body", "b"}}); });
  EXPECT_CONTAINS(refused, "f:1");
  EXPECT_CONTAINS(refused, "gsm8k: question, answer");
  EXPECT_CONTAINS(refused, "text: text");
  EXPECT_CONTAINS(error_of<FormatError>([] { detected(Json::array()); }), "f:1");
  EXPECT_CONTAINS(error_of<FormatError>([] { detected({{"text", nullptr}}); }), "f:1");
}

PromptCompletion rendered(const string& format, const Json& record) { return render(find_format(format), record, "f:1"); }

TEST(RecordFormat, RendersTheTemplates) {
  const PromptCompletion math = rendered("gsm8k", {{"question", "2+2?"}, {"answer", "4"}});
  EXPECT_EQ(math.prompt, "Question: 2+2?\nAnswer:");
  EXPECT_EQ(math.completion, " 4");
  const PromptCompletion with = rendered("instruction", {{"instruction", "Add."}, {"input", "1 2"}, {"output", "3"}});
  EXPECT_EQ(with.prompt, "### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n");
  EXPECT_EQ(with.completion, "3");
  for (const Json& without :
       {Json{{"instruction", "Add."}, {"output", "3"}}, Json{{"instruction", "Add."}, {"input", ""}, {"output", "3"}}}) {
    EXPECT_EQ(rendered("instruction", without).prompt, "### Instruction:\nAdd.\n\n### Response:\n");
  }
  EXPECT_EQ(rendered("prompt", {{"prompt", "a{b}"}, {"completion", "{c}"}}).prompt, "a{b}");  // braces of the data are text
  EXPECT_EQ(rendered("prompt", {{"prompt", "a"}, {"completion", "{c}"}}).completion, "{c}");
  EXPECT_EQ(rendered("text", {{"text", "t"}}).prompt, "");
  EXPECT_EQ(rendered("text", {{"text", "t"}}).completion, "t");
}

TEST(RecordFormat, NumbersAreTheirText) {
  EXPECT_EQ(rendered("gsm8k", {{"question", "2+2?"}, {"answer", 4}}).completion, " 4");
  EXPECT_EQ(rendered("gsm8k", {{"question", "half?"}, {"answer", 0.5}}).completion, " 0.5");
  EXPECT_EQ(rendered("instruction", {{"instruction", "Add."}, {"input", 12}, {"output", 3}}).prompt,
            "### Instruction:\nAdd.\n\n### Input:\n12\n\n### Response:\n");
}

TEST(RecordFormat, SaysWhatARecordOfAnotherKindIs) {
  const auto refusal = [](const Json& record) { return error_of<FormatError>([&] { detected(record); }); };
  EXPECT_CONTAINS(refusal({{"prompt", "p"}, {"chosen", "a"}, {"rejected", "b"}}), "this is a preference pair; those are not supported");
  EXPECT_CONTAINS(refusal({{"question", "q"}, {"choices", {"a", "b"}}, {"answerKey", "A"}}), "this is multiple choice; put the choices");
  EXPECT_CONTAINS(refusal({{"query", "q"}, {"response", "r"}}), "\"prompt\" and \"completion\" are the names");
  EXPECT_CONTAINS(refusal({{"dialog", Json::array()}}), "\"messages\" is the name");
}

TEST(RecordFormat, NamesWhatIsMissing) {
  EXPECT_CONTAINS(error_of<FormatError>([] { rendered("gsm8k", {{"question", "q"}}); }), "\"answer\"");
  EXPECT_CONTAINS(error_of<FormatError>([] { rendered("text", {{"text", true}}); }), "\"text\" must be a string or a number");
  EXPECT_CONTAINS(error_of<FormatError>([] {
                    rendered("instruction", {{"instruction", "i"}, {"input", Json::array({1})}, {"output", "o"}});
                  }),
                  "\"input\"");
  EXPECT_CONTAINS(error_of<ConfigError>([] { find_format("vicuna"); }),
                  "unknown format \"vicuna\"; known: messages, sharegpt, alpaca, prompt-messages, ids, gsm8k, instruction, prompt, text");
  const Json asked = {{"instruction", "i"}, {"output", "o"}, {"history", Json::array({{"q", "a"}})}};
  EXPECT_CONTAINS(error_of<FormatError>([&] { rendered("instruction", asked); }),
                  "f:1: format instruction has no place for system and history");
  const Json talk = {{"prompt", Json::array({{{"role", "user"}, {"content", "q"}}})}, {"completion", "c"}};
  EXPECT_CONTAINS(error_of<FormatError>([&] { rendered("prompt", talk); }),
                  "f:1: format prompt takes text, not messages; data.format=prompt-messages");
}

}  // namespace
}  // namespace hellora::testing
