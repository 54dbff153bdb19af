// Where a model's template comes from and what it is given.
#include "hellora/text/chat_template.h"

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

const Json kHi = {{{"role", "user"}, {"content", "hi"}}};

string rendered(const ChatTemplate& chat, const Json& messages = kHi, const Json& tools = nullptr, const ChatOptions& options = {}) {
  return chat.render(messages, tools, options).text;
}

TEST(ChatTemplate, ComesFromAFileBeforeTheConfiguration) {
  const TempFolder folder;
  EXPECT_FALSE(ChatTemplate::load(folder.path()));
  put_file(folder / "tokenizer_config.json", R"({"bos_token": "<s>", "chat_template": "{{ bos_token }}config"})");
  EXPECT_EQ(rendered(*ChatTemplate::load(folder.path())), "<s>config");
  put_file(folder / "chat_template.jinja", "{{ bos_token }}file\n");
  EXPECT_EQ(rendered(*ChatTemplate::load(folder.path())), "<s>file");
  EXPECT_NE(ChatTemplate::load(folder.path())->hash(), ChatTemplate::from_text("x", "t", {}).hash());
}

TEST(ChatTemplate, SeveralWithNames) {
  const TempFolder folder;
  put_file(folder / "tokenizer_config.json",
           R"({"eos_token": {"content": "</s>", "special": true}, "add_bos_token": true, "pad_token": null,
    "chat_template": [{"name": "default", "template": "d{{ eos_token }}{{ pad_token }}"}, {"name": "tool_use", "template": "{{ tools | length }}t"}]})");
  const ChatTemplate chat = *ChatTemplate::load(folder.path());
  EXPECT_EQ(rendered(chat), "d</s>");
  EXPECT_EQ(rendered(chat, kHi, Json::array({1, 2})), "2t");
  EXPECT_EQ(rendered(chat, kHi, Json::array()), "0t");  // an empty list is one
}

TEST(ChatTemplate, MoreTemplatesHaveAFolder) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "additional_chat_templates");
  put_file(folder / "additional_chat_templates" / "tool_use.jinja", "tools");
  put_file(folder / "additional_chat_templates" / "rag.jinja", "{% no tag %}");  // never used
  put_file(folder / "additional_chat_templates" / "notes.txt", "{% no tag %}");
  EXPECT_CONTAINS(error_of<FormatError>([&] { ChatTemplate::load(folder.path()); }), "none of the templates is named \"default\"");
  const Json tools = Json::array({{{"name", "f"}}});
  const auto both = [&] {
    const ChatTemplate chat = *ChatTemplate::load(folder.path());
    return rendered(chat) + "|" + rendered(chat, kHi, tools);
  };
  put_file(folder / "tokenizer_config.json",
           R"({"chat_template": [{"name": "default", "template": "own"}, {"name": "tool_use", "template": "x"}]})");
  EXPECT_EQ(both(), "own|tools");
  put_file(folder / "chat_template.jinja", "file");
  EXPECT_EQ(both(), "file|tools");
  put_file(folder / "additional_chat_templates" / "default.jinja", "folder");
  EXPECT_EQ(both(), "folder|tools");
}

TEST(ChatTemplate, ComesFromAProcessorsFileLast) {
  const TempFolder folder;
  put_file(folder / "chat_template.json", R"({"chat_template": "processor"})");
  EXPECT_EQ(rendered(*ChatTemplate::load(folder.path())), "processor");
  put_file(folder / "tokenizer_config.json", R"({"chat_template": "config"})");
  EXPECT_EQ(rendered(*ChatTemplate::load(folder.path())), "config");
}

TEST(ChatTemplate, SeesSpecialTokensOfTheOlderFile) {
  const TempFolder folder;
  put_file(folder / "tokenizer_config.json", R"({"eos_token": "</s>", "chat_template": "{{ bos_token }}{{ eos_token }}"})");
  put_file(folder / "special_tokens_map.json", R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "<end>"})");
  EXPECT_EQ(rendered(*ChatTemplate::load(folder.path())), "<s><end>");
  put_file(folder / "tokenizer_config.json",
           R"({"eos_token": "</s>", "added_tokens_decoder": {}, "chat_template": "{{ bos_token }}{{ eos_token }}"})");
  EXPECT_EQ(rendered(*ChatTemplate::load(folder.path())), "</s>");
}

TEST(ChatTemplate, HabitsAreFoundByTrying) {
  using Arguments = TemplateHabits::Arguments;
  const auto habits = [](const string& body) {
    return ChatTemplate::from_text("{% for m in messages %}" + body + "{% endfor %}", "t", {}).habits();
  };
  const string call = "{% for c in m.tool_calls or [] %}{{ c.function.arguments", end = " }}{% endfor %}";
  EXPECT_EQ(habits(call + " | tojson" + end).arguments, Arguments::objects);
  EXPECT_EQ(habits(call + end).arguments, Arguments::text);
  EXPECT_EQ(habits("{{ m.content }}").arguments, Arguments::as_given);
  EXPECT_EQ(habits("{{ raise_exception('no') if m.role == 'tool' }}" + call + " | tojson" + end).arguments, Arguments::objects);
  EXPECT_EQ(habits("{{ raise_exception('no') if m.role == 'assistant' }}" + call + " | tojson" + end).arguments, Arguments::as_given);
  const TemplateHabits lists = habits(
      "{% if m.content is string or m.role == 'system' %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif "
      "%}");
  EXPECT_TRUE(lists.takes_list("user") && lists.takes_list("assistant") && lists.takes_list("tool"));
  EXPECT_FALSE(lists.takes_list("system"));
  EXPECT_FALSE(habits("{{ m.content }}").takes_list("user"));
  EXPECT_FALSE(habits("{{ m.content | tojson }}").takes_list("user"));
  EXPECT_FALSE(habits("{{ m.content if m.content is string }}").takes_list("user"));
}

TEST(ChatTemplate, MalformedConfigurationsAreNamed) {
  const TempFolder folder;
  const auto refusal = [&](const string& config) {
    put_file(folder / "tokenizer_config.json", config);
    return error_of<FormatError>([&] { ChatTemplate::load(folder.path()); });
  };
  EXPECT_CONTAINS(refusal(R"({"chat_template": 5})"), "\"chat_template\" must be a string");
  EXPECT_CONTAINS(refusal(R"({"chat_template": [{"name": "x", "template": ""}]})"), "none of the templates is named \"default\"");
  EXPECT_CONTAINS(refusal(R"({"chat_template": [{"name": "default", "template": ""}, {"name": "default", "template": ""}]})"),
                  "two templates");
  EXPECT_CONTAINS(refusal(R"({"chat_template": [{"name": "default"}]})"), "\"template\" is missing");
  EXPECT_CONTAINS(refusal(R"({"chat_template": "a\n{% nope %}"})"), "tokenizer_config.json: chat_template:2: tag \"nope\"");
  EXPECT_CONTAINS(refusal(R"({"bos_token": 5, "chat_template": "a"})"), "bos_token");
}

TEST(ChatTemplate, ChosenByNameOrFile) {
  const TempFolder folder;
  put_file(folder / "tokenizer_config.json", R"({"eos_token": "</s>"})");
  const string file = put_file(folder / "own.jinja", "own{{ eos_token }}").string();
  EXPECT_EQ(rendered(ChatTemplate::choose("chatml", folder.path())), "<|im_start|>user\nhi<|im_end|>\n");
  EXPECT_EQ(rendered(ChatTemplate::choose(file, folder.path())), "own</s>");
  const string error = error_of<ConfigError>([&] { ChatTemplate::choose("chatlm", folder.path()); });
  EXPECT_CONTAINS(error, "data.chat_template: \"chatlm\" is neither a file nor one of alpaca, chatml, deepseek");
}

TEST(ChatTemplate, SeesWhatTransformersHandsOn) {
  const auto seen = [](const char* source, const Json& messages, const ChatOptions& options = {}) {
    return rendered(ChatTemplate::from_text(source, "t", {{"bos_token", "B"}}), messages, nullptr, options);
  };
  EXPECT_EQ(seen("{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}{{ bos_token }}", kHi), "TrueTrueFalseB");
  const Json empty = {{{"role", "user"}, {"content", nullptr}}}, thought = {{{"role", "assistant"}, {"reasoning", "r"}}};
  EXPECT_EQ(seen("{{ messages[0].content is defined }}", empty), "False");
  EXPECT_EQ(seen("{{ messages[0].keys() | list }}{{ messages[0].thinking }}", thought),
            "['thinking', 'role', 'reasoning', 'reasoning_content']r");
  ChatOptions options;
  options.add_generation_prompt = true;
  options.variables = {{"bos_token", "X"}, {"enable_thinking", false}};
  EXPECT_EQ(seen("{{ bos_token }}{{ enable_thinking is false }}{{ add_generation_prompt }}", kHi, options), "XTrueTrue");
  EXPECT_CONTAINS(error_of<FormatError>([&] { seen("", "hi"); }), "messages must be a list");
  EXPECT_CONTAINS(error_of<FormatError>([&] { seen("", {1}); }), "message 0 must be an object");
}

}  // namespace
}  // namespace hellora::testing
