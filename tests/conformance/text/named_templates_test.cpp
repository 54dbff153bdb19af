// Every built-in chat template writes conversations that the training masks can be built on.
#include "hellora/text/chat_template.h"
#include "tests/support/helpers.h"
#include "tests/support/tables.h"

namespace hellora::testing {
namespace {

using std::string;

class NamedTemplateRow : public ::testing::TestWithParam<TableRow<NamedTemplate>> {
 protected:
  ChatTemplate chat() const { return ChatTemplate::from_text(GetParam()->source, "t", {{"bos_token", "<bos>"}, {"eos_token", "<eos>"}}); }
};

Json turns(size_t count) {
  Json out = Json::array();
  for (size_t i = 0; i < count; ++i) out.push_back({{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", "text" + std::to_string(i)}});
  return out;
}

TEST_P(NamedTemplateRow, MarksExactlyWhatTheModelWrites) {
  const Rendered out = chat().render(turns(4));
  ASSERT_EQ(out.generated.size(), 2U);
  EXPECT_TRUE(chat().marks_generation());
  for (size_t i = 0; i < 2; ++i) {
    const TextSpan& span = out.generated[i];
    const string text = out.text.substr(span.begin, span.end - span.begin);
    EXPECT_CONTAINS(text, "text" + std::to_string(2 * i + 1));
    EXPECT_EQ(text.find("text" + std::to_string(2 * i)), string::npos);
    EXPECT_TRUE(text.ends_with('>')) << text;  // the mark that ends the turn is learned
  }
}

TEST_P(NamedTemplateRow, ThePromptIsWhatStandsBeforeTheAnswer) {
  ChatOptions prompt;
  prompt.add_generation_prompt = true;
  for (const size_t length : {1, 3}) {
    const string before = chat().render(turns(length), nullptr, prompt).text;
    const Rendered after = chat().render(turns(length + 1));
    EXPECT_EQ(after.text.substr(0, after.generated.back().begin), before);
  }
}

TEST_P(NamedTemplateRow, LongerConversationsBeginAsShorterOnes) {
  const string shorter = chat().render(turns(2)).text, longer = chat().render(turns(4)).text;
  EXPECT_EQ(longer.substr(0, shorter.size()), shorter);
}

TEST_P(NamedTemplateRow, IsDescribed) { EXPECT_FALSE(GetParam()->about.empty()); }

INSTANTIATE_TEST_SUITE_P(Table, NamedTemplateRow, ::testing::ValuesIn(table_rows(named_templates())), row_name<NamedTemplate>);

/// The documented forms, from the model cards as collected in the project's notes.
TEST(NamedTemplates, WriteTheDocumentedForms) {
  const auto text = [](const char* name, bool system) {
    Json messages = Json::array();
    if (system) messages.push_back({{"role", "system"}, {"content", "S"}});
    messages.push_back({{"role", "user"}, {"content", "U"}});
    messages.push_back({{"role", "assistant"}, {"content", "A"}});
    messages.push_back({{"role", "user"}, {"content", "V"}});
    ChatOptions prompt;
    prompt.add_generation_prompt = true;
    for (const NamedTemplate& one : named_templates()) {
      if (one.name == name)
        return ChatTemplate::from_text(one.source, name, {{"bos_token", "<s>"}, {"eos_token", "</s>"}})
            .render(messages, nullptr, prompt)
            .text;
    }
    return string();
  };
  EXPECT_EQ(text("olmoe", true), "<s><|system|>\nS\n<|user|>\nU\n<|assistant|>\nA</s>\n<|user|>\nV\n<|assistant|>\n");
  EXPECT_EQ(text("mixtral", false), "<s> [INST] U [/INST] A</s> [INST] V [/INST]");
  EXPECT_EQ(text("deepseek", true), "<s>S\n\nUser: U\n\nAssistant: A</s>User: V\n\nAssistant:");
  EXPECT_EQ(
      text("chatml", true),
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nV<|im_end|>\n"
      "<|im_start|>assistant\n");
  EXPECT_EQ(text("alpaca", false), "### Instruction:\nU\n\n### Response:\nA</s>\n\n### Instruction:\nV\n\n### Response:\n");
  EXPECT_CONTAINS(error_of<DataError>([&] { text("mixtral", true); }), "there is no place for \"system\"");
}

}  // namespace
}  // namespace hellora::testing
