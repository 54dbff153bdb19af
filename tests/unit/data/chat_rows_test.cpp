// Which tokens of a conversation are learned.
#include "hellora/data/chat_rows.h"

#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

using std::string;

const char* const kMarked =
    "{% for m in messages %}{{ m.role[0] }}:{% if m.role == 'assistant' %}{% generation %}{{ m.content }}.{% endgeneration %}{% else %}{{ "
    "m.content }}{% endif %} {% endfor %}{{ 'a:' if add_generation_prompt }}";
const char* const kPlain =
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}{{ '.' if m.role == 'assistant' }} {% endfor %}{{ 'a:' if add_generation_prompt "
    "}}";
/// Earlier answers lose what stands before "/", as reasoning models' templates do it.
const char* const kRewrites =
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content if loop.last else m.content.split('/')[-1] }} {% endfor %}{{ 'a:' if "
    "add_generation_prompt }}";

Conversation talk(const std::vector<string>& turns) {
  Conversation out;
  for (size_t i = 0; i < turns.size(); ++i) out.messages.push_back({{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", turns[i]}});
  return out;
}

std::vector<string> learned(const char* source, const Conversation& conversation, const string& train_on) {
  std::vector<string> out;
  for (const TokenRow& row : chat_rows(ChatTemplate::from_text(source, "t", {}), byte_tokenizer(), conversation, train_on, "f:1")) {
    EXPECT_EQ(row.ids.size(), row.labels.size());
    out.emplace_back();
    for (size_t i = 0; i < row.ids.size(); ++i) out.back() += row.supervised(i) ? static_cast<char>(row.ids[i]) : '_';
  }
  return out;
}

using Texts = std::vector<string>;

TEST(ChatRows, GenerationBlocksAreLearned) {
  const Conversation four = talk({"q", "r", "s", "t"});
  EXPECT_EQ(learned(kMarked, four, "all-turns"), Texts{"______r._______t._"});  // u:q a:r. u:s a:t.
  EXPECT_EQ(learned(kMarked, four, "completion"), learned(kMarked, four, "all-turns"));
  EXPECT_EQ(learned(kMarked, four, "last-turn"), Texts{"_______________t._"});
  EXPECT_EQ(learned(kMarked, four, "all"), Texts{"u:q a:r. u:s a:t. "});
}

TEST(ChatRows, OfAPromptNothingIsLearned) {
  Conversation four = talk({"q", "r", "s", "t"});
  four.prompt = 3;
  EXPECT_EQ(learned(kMarked, four, "completion"), Texts{"_______________t._"});
  EXPECT_EQ(learned(kPlain, four, "completion"), Texts{"_______________t. "});
  EXPECT_EQ(learned(kMarked, four, "all-turns"), Texts{"______r._______t._"});
  EXPECT_EQ(learned(kMarked, four, "all"), Texts{"u:q a:r. u:s a:t. "});
  four.prompt = 1;
  EXPECT_EQ(learned(kMarked, four, "completion"), Texts{"______r._______t._"});
  EXPECT_EQ(learned(kMarked, four, "last-turn"), Texts{"_______________t._"});
}

TEST(ChatRows, WithoutThemWhatATurnAddsToItsPrompt) {
  const Conversation four = talk({"q", "r", "s", "t"});
  EXPECT_EQ(learned(kPlain, four, "all-turns"), Texts{"______r. ______t. "});
  EXPECT_EQ(learned(kPlain, four, "last-turn"), Texts{"_______________t. "});
  EXPECT_EQ(learned(kPlain, talk({"q", "r", "s"}), "last-turn"), Texts{"______r. ____"});
  EXPECT_EQ(learned(kPlain, talk({"q"}), "completion"), Texts{"____"});
}

TEST(ChatRows, OneRowPerTurnWhereEarlierTurnsAreRewritten) {
  const Conversation four = talk({"q", "x/r", "s", "y/t"});
  EXPECT_EQ(learned(kRewrites, four, "all-turns"), (Texts{"______x/r ", "______________y/t "}));
  EXPECT_EQ(learned(kRewrites, four, "last-turn"), Texts{"______________y/t "});
  EXPECT_EQ(learned(kRewrites, talk({"q", "r", "s", "t"}), "all-turns"), Texts{"______r ______t "});
}

TEST(ChatRows, TurnsOfWeightZeroAreNotLearned) {
  Conversation four = talk({"q", "r", "s", "t"});
  four.messages[1]["weight"] = 0;
  EXPECT_EQ(learned(kMarked, four, "all-turns"), Texts{"_______________t._"});
  EXPECT_EQ(learned(kPlain, four, "all-turns"), Texts{"_______________t. "});
  four.messages[3]["train"] = false;
  EXPECT_EQ(learned(kMarked, four, "last-turn"), Texts{string(18, '_')});
}

/// `all` learns every token but those that a mark takes out.
TEST(ChatRows, AllLeavesOutWhatAMarkTakesOut) {
  Conversation four = talk({"q", "r", "s", "t"});
  four.messages[1]["loss"] = false;
  EXPECT_EQ(learned(kMarked, four, "all"), Texts{"u:q a:__ u:s a:t. "});
  EXPECT_EQ(learned(kPlain, four, "all"), Texts{"u:q a:___u:s a:t. "});
  Conversation changed = talk({"q", "x/r", "s", "t"});
  changed.messages[1]["loss"] = false;
  EXPECT_CONTAINS(error_of<DataError>([&] { learned(kRewrites, changed, "all"); }), "messages[1]: the template rewrites this turn later");
}

TEST(ChatRows, OnlyTheAssistantIsLearned) {
  Conversation four = talk({"q", "r", "s", "t"});
  four.messages[2]["train"] = false;
  EXPECT_EQ(learned(kMarked, four, "all-turns"), Texts{"______r._______t._"});
  four.messages[2]["train"] = true;
  EXPECT_CONTAINS(error_of<FormatError>([&] { learned(kMarked, four, "all-turns"); }),
                  "f:1: messages[2]: a mark says that this turn of the user is learned");
  EXPECT_EQ(learned(kMarked, four, "all"), Texts{"u:q a:r. u:s a:t. "});
}

TEST(ChatRows, PartsAreJoinedWhereTheTemplateTakesStrings) {
  Conversation parts = talk({"q", "r"});
  parts.messages[0]["content"] = parse_json(R"([{"type":"text","text":"q"},{"type":"text","text":"2"}])", "t");
  parts.messages[1]["content"] = parse_json(R"(["r",{"text":"3"}])", "t");
  const char* const strings =  // of anything else it makes nothing
      "{% for m in messages %}{{ m.role[0] }}:{{ m.content if m.content is string else '' }} {% endfor %}{{ 'a:' if add_generation_prompt "
      "}}";
  const char* const joins =
      "{% for m in messages %}{{ m.role[0] }}:{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}<{{ p.text "
      "}}>{% endfor "
      "%}{% endif %} {% endfor %}{{ 'a:' if add_generation_prompt }}";
  EXPECT_EQ(learned(strings, parts, "all"), Texts{"u:q2 a:r3 "});
  EXPECT_EQ(learned("{% for m in messages %}{{ m.role[0] }}:{{ m.content }} {% endfor %}{{ 'a:' if add_generation_prompt }}", parts, "all"),
            Texts{"u:q2 a:r3 "});
  EXPECT_EQ(learned(joins, parts, "all"), Texts{"u:<q><2> a:r3 "});  // its own way; a bare string is no part
  EXPECT_EQ(learned(strings, parts, "completion"), Texts{"_______r3 "});
}

Conversation calling(const Json& arguments) {
  Conversation out = talk({"q", ""});
  out.messages[1]["tool_calls"] = {{{"type", "function"}, {"function", {{"name", "f"}, {"arguments", arguments}}}}};
  return out;
}

TEST(ChatRows, ArgumentsComeInTheFormThatTheTemplateWrites) {
  const auto source = [](const char* how) {
    return string("{% for m in messages %}{{ m.role[0] }}:{{ m.content }}{% for c in m.tool_calls or [] %}") + how +
           "{% endfor %} {% endfor %}{{ 'a:' if add_generation_prompt }}";
  };
  const string
      dumps = source("{{ c.function.arguments | tojson }}"),
      prints = source("{{ c.function.arguments }}"),
      both = source(
          "{% if c.function.arguments is string %}{{ c.function.arguments }}{% else %}{{ c.function.arguments | tojson }}{% endif %}"),
      items = source("{% for k, v in c.function.arguments | items %}{{ k }}={{ v }}{% endfor %}");
  const Json object = {{"day", "x"}}, text = R"({"day": "x"})", tight = R"({"day":"x"})";
  const auto row = [](const string& how, const Json& arguments) { return learned(how.c_str(), calling(arguments), "all").at(0); };
  for (const Json& given : {object, text, tight}) {
    EXPECT_EQ(row(dumps, given), "u:q a:{\"day\": \"x\"} ");
    EXPECT_EQ(row(items, given), "u:q a:day=x ");
  }
  EXPECT_EQ(row(prints, object), "u:q a:{\"day\": \"x\"} ");
  EXPECT_EQ(row(prints, tight), "u:q a:{\"day\":\"x\"} ");  // as it is
  EXPECT_EQ(row(both, tight), "u:q a:{\"day\":\"x\"} ");
  EXPECT_EQ(row(both, object), "u:q a:{\"day\": \"x\"} ");
  EXPECT_EQ(row(dumps, ""), "u:q a:{} ");
  for (const char* wrong : {"[1]", "5", "\"x\""})
    EXPECT_CONTAINS(error_of<FormatError>([&] { row(dumps, wrong); }), "f:1: messages[1].tool_calls[0]: \"arguments\" must be an object");
  EXPECT_CONTAINS(error_of<FormatError>([&] { row(dumps, "day=x"); }), "f:1: messages[1].tool_calls[0]: arguments: not valid JSON");
}

TEST(ChatRows, ALaterSystemMessageIsSeenOrRefused) {
  Conversation late = talk({"q", "r", "s", "t"});
  late.messages[2] = {{"role", "system"}, {"content", " now "}};
  EXPECT_EQ(learned(kPlain, late, "completion"), Texts{"______r. __________t. "});
  const char* skips =
      "{% for m in messages if m.role != 'system' %}{{ m.role[0] }}:{{ m.content }} {% endfor %}{{ 'a:' if add_generation_prompt }}";
  EXPECT_CONTAINS(error_of<DataError>([&] { learned(skips, late, "completion"); }),
                  "f:1: messages[2]: the template leaves this system message out");
}

TEST(ChatRows, ArgumentsOfTheTemplateMayComeWithTheRecord) {
  const Json record = parse_json(R"({"messages":[{"role":"user","content":"q"}],"chat_template_kwargs":{"mood":"calm"}})", "t");
  EXPECT_EQ(learned("{{ mood }}", from_messages(record, "f:1"), "all"), Texts{"calm"});
  const Json wrong = parse_json(R"({"messages":[{"role":"user","content":"q"}],"chat_template_kwargs":{"tools":[]}})", "t");
  EXPECT_CONTAINS(error_of<FormatError>([&] { from_messages(wrong, "f:1"); }), "\"chat_template_kwargs\" may not set \"tools\"");
}

TEST(ChatRows, ErrorsBeginWithTheRecord) {
  const char* never = "{{ messages | length }}{{ 'a:' if add_generation_prompt }}";
  EXPECT_CONTAINS(error_of<DataError>([&] {
                    learned(never, talk({"q", "r"}), "completion");
                  }),
                  "f:1: messages[1]: the template t writes this turn otherwise");
  EXPECT_CONTAINS(error_of<DataError>([&] { learned("{{ raise_exception('no') }}", talk({"q"}), "all"); }),
                  "f:1: t:1: the template says: no");
  const char* twice = "{% generation %}a{% endgeneration %}{% generation %}b{% endgeneration %}";
  EXPECT_CONTAINS(error_of<DataError>([&] {
                    learned(twice, talk({"q", "r", "s", "t", "u", "v"}), "last-turn");
                  }),
                  "marks 2 generated parts for 3 assistant turns");
}

TEST(LabelSpans, TokensThatShareACharacterBelongTogether) {
  const std::vector<TextSpan> spans = {{2, 4}};  // é of "a é"
  const TokenRow row = label_spans(byte_tokenizer(), "a é!", spans);
  EXPECT_EQ(row.labels, (Ids{kIgnore, kIgnore, 0xC3, 0xA9, kIgnore}));
  const std::vector<TextSpan> none = {{1, 1}};
  EXPECT_EQ(label_spans(byte_tokenizer(), "ab", none).labels, (Ids{kIgnore, kIgnore}));
}

TEST(LabelSpans, ATokenOverTheBorderIsLearned) {
  const Tokenizer merging = load_small(small_tokenizer());  // "th" and "the" are tokens
  const std::vector<TextSpan> spans = {{2, 5}};
  const TokenRow row = label_spans(merging, "xthey", spans);
  EXPECT_EQ(row.ids.size(), 3U);
  EXPECT_EQ(row.labels, (Ids{kIgnore, row.ids[1], row.ids[2]}));
}

/// A normaliser changes the text, so that its bytes cannot be found again: each stretch is encoded by itself.
TEST(LabelSpans, ATextThatTheTokenizerRewrites) {
  Json json = small_tokenizer();
  json["model"]["merges"] = Json::array();
  json["normalizer"] = {{"type", "NFC"}};
  const Tokenizer rewriting = load_small(json);
  const std::vector<TextSpan> spans = {{1, 4}};
  const TokenRow row = label_spans(rewriting, "ae\u0301b", spans);
  EXPECT_EQ(row.ids, (Ids{'a', 0xC3, 0xA9, 'b'}));
  EXPECT_EQ(row.labels, (Ids{kIgnore, 0xC3, 0xA9, kIgnore}));
}

DataConfig with_format(const string& format, const string& train_on = "completion") {
  DataConfig config;
  config.format = format;
  config.train_on = train_on;
  return config;
}

TEST(Rows, ConversationsNeedATemplate) {
  const string error = error_of<ConfigError>([] { load_lines(R"({"messages":[{"role":"user","content":"a"}]})"); });
  EXPECT_CONTAINS(error, "rows.jsonl:1: records of format messages need a chat template");
  EXPECT_CONTAINS(error, "set data.chat_template to a file or one of alpaca, chatml, deepseek, llama3, mixtral, olmoe");
}

TEST(Rows, IdsWithLabelsOrAPromptLength) {
  const auto targets = [](const string& line, const string& train_on) {
    return wide(load_lines(line, with_format("auto", train_on)).examples.at(0).targets);
  };
  EXPECT_EQ(targets(R"({"input_ids":[1,2,3]})", "completion"), (Ids{2, 3, kIgnore}));
  EXPECT_EQ(targets(R"({"input_ids":[1,2,3],"prompt_length":2})", "completion"), (Ids{kIgnore, 3, kIgnore}));
  EXPECT_EQ(targets(R"({"input_ids":[1,2,3],"labels":[-100,-100,9]})", "completion"), (Ids{kIgnore, 9, kIgnore}));
  EXPECT_EQ(targets(R"({"input_ids":[1,2,3],"labels":[-100,-100,9]})", "all"), (Ids{2, 3, kIgnore}));
}

TEST(Rows, IdsAreChecked) {
  const auto refusal = [](const string& line) { return error_of<Error>([&] { load_lines(line); }); };
  EXPECT_CONTAINS(refusal(R"({"input_ids":[1,-2]})"), "rows.jsonl:1: \"input_ids\" holds -2");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[1,301]})"), "rows.jsonl:1: token id 301 is outside the model's vocabulary of 301");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[1,2],"labels":[1,301]})"), "token id 301 is outside");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[1,2],"labels":[1]})"), "\"labels\" has 1 entries, \"input_ids\" 2");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[1,2],"labels":[1,-1]})"), "\"labels\" holds -1");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[1],"prompt_length":2})"), "\"prompt_length\" is 2");
  EXPECT_CONTAINS(refusal(R"({"input_ids":[1],"labels":[1],"prompt_length":1})"), "exclude each other");
  EXPECT_CONTAINS(refusal(R"({"input_ids":"1"})"), "\"input_ids\" must be an array of integers");
}

TEST(Rows, EveryFileDecidesItsFormat) {
  const TempFolder folder;
  const std::vector<string> files = {put_file(folder / "1", R"({"text":"ab"})").string(),
                                     put_file(folder / "2", R"({"input_ids":[1,2]})").string(),
                                     put_file(folder / "3", R"({"text":"cd"})").string()};
  const Dataset data = load_dataset(files, {}, byte_tokenizer(), kVocab);
  EXPECT_EQ(data.examples.size(), 3U);
  EXPECT_EQ(data.format, "");
  EXPECT_EQ(load_dataset({files[0], files[2]}, {}, byte_tokenizer(), kVocab).format, "text");
}

TEST(Rows, SplitConversationsAreCounted) {
  const ChatTemplate chat = ChatTemplate::from_text(kRewrites, "t", {});
  const TempFolder folder;
  const string file = put_file(folder / "f", Json{{"messages", talk({"q", "x/r", "s", "y/t"}).messages}}.dump() + "\n" +
                                                 R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})")
                          .string();
  const Dataset data = load_dataset({file}, {}, byte_tokenizer(), kVocab, &chat);
  EXPECT_EQ(data.records, 2);
  ASSERT_EQ(data.examples.size(), 3U);
  EXPECT_EQ(data.examples[1].record, 0);
  EXPECT_EQ(data.examples[2].record, 1);
  EXPECT_CONTAINS(describe(data), "1 conversations in several rows");
}

TEST(Rows, TheTemplateIsTheModelsOrANamedOne) {
  const TempFolder folder;
  DataConfig config;
  EXPECT_FALSE(resolve_chat_template(config, folder.path()));
  put_file(folder / "chat_template.jinja", "own");
  EXPECT_CONTAINS(resolve_chat_template(config, folder.path())->where(), "chat_template.jinja");
  config.chat_template = "chatml";
  EXPECT_EQ(resolve_chat_template(config, folder.path())->where(), "template chatml");
}

}  // namespace
}  // namespace hellora::testing
