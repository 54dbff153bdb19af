// Record formats: every row of the table, from a record with its keys to token rows.
#include <map>
#include <set>
#include <sstream>

#include "hellora/data/format.h"
#include "tests/support/tables.h"
#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

using std::string;

/// The names in braces.
std::set<string> keys_of(std::string_view text) {
  std::set<string> keys;
  for (size_t open = text.find('{'); open != std::string_view::npos; open = text.find('{', open + 1)) {
    keys.emplace(text.substr(open + 1, text.find('}', open) - open - 1));
  }
  return keys;
}

/// What a key holds in these tests; braces of the data stay text.
string value_of(const string& key) { return "{the " + key + "}"; }

string filled(std::string_view pattern) {
  string text(pattern);
  for (const string& key : keys_of(pattern)) {
    const string mark = "{" + key + "}";
    for (size_t at = text.find(mark); at != string::npos; at = text.find(mark, at + value_of(key).size())) {
      text.replace(at, mark.size(), value_of(key));
    }
  }
  return text;
}

class FormatRow : public ::testing::TestWithParam<TableRow<RecordFormat>> {
 protected:
  static const RecordFormat& format() { return *GetParam(); }
  static std::set<string> keys() {
    std::set<string> all = keys_of(format().prompt);
    all.merge(keys_of(format().completion));
    return all;
  }
  static Json record() {
    Json record = {{"unrelated", 1}};
    for (const string& key : keys()) record[key] = value_of(key);
    return record;
  }
};

TEST_P(FormatRow, IsFoundByNameAndByItsKeys) {
  EXPECT_EQ(&find_format(GetParam().name()), &format());
  EXPECT_EQ(detect_format(record(), "f:1").name, format().name);
  EXPECT_FALSE(keys_of(format().completion).empty()) << "nothing to learn";
}

TEST_P(FormatRow, FillsItsTemplates) {
  const PromptCompletion text = render(format(), record(), "f:1");
  EXPECT_EQ(text.prompt, filled(format().prompt));
  EXPECT_EQ(text.completion, filled(format().completion));
  for (const string& key : keys()) EXPECT_CONTAINS(text.prompt + text.completion, value_of(key));
}

TEST_P(FormatRow, AMissingOrWrongKeyIsNamed) {
  for (const string& key : keys()) {
    Json wrong = record();
    wrong[key] = true;
    EXPECT_CONTAINS(error_of<FormatError>([&] { render(format(), wrong, "f:7"); }), "\"" + key + "\"");
    EXPECT_CONTAINS(error_of<FormatError>([&] { render(format(), wrong, "f:7"); }), "f:7");
    if (key == format().optional) continue;
    Json missing = record();
    missing.erase(key);
    EXPECT_CONTAINS(error_of<FormatError>([&] { render(format(), missing, "f:7"); }), "\"" + key + "\"");
  }
}

TEST_P(FormatRow, AnOptionalKeyMayBeAbsentOrEmpty) {
  if (format().optional.empty()) return;
  const string key(format().optional);
  EXPECT_TRUE(keys_of(format().prompt).contains(key));
  EXPECT_FALSE(keys_of(format().prompt_without).contains(key));
  Json empty = record(), absent = record();
  empty[key] = "";
  absent.erase(key);
  for (const Json& one : {empty, absent}) {
    EXPECT_EQ(detect_format(one, "f:1").name, format().name);
    EXPECT_EQ(render(format(), one, "f:1").prompt, filled(format().prompt_without));
  }
}

TEST_P(FormatRow, PromptsOfTheUserTakeTheSameTemplate) {
  const std::string_view pattern = format().optional.empty() ? format().prompt : format().prompt_without;
  const string prompt = render_prompt(format(), "{what}?");
  EXPECT_CONTAINS(prompt, "{what}?");
  if (keys_of(pattern).size() != 1) {
    EXPECT_EQ(prompt, "{what}?");
    return;
  }
  Json record;
  for (const string& key : keys()) record[key] = key == *keys_of(pattern).begin() ? "{what}?" : "x";
  if (!format().optional.empty()) record.erase(string(format().optional));
  EXPECT_EQ(prompt, render(format(), record, "f:1").prompt);
}

TEST_P(FormatRow, TheCompletionIsWhatIsLearned) {
  const PromptCompletion text = render(format(), record(), "f:1");
  const Dataset data = load_lines(record().dump());
  ASSERT_EQ(data.examples.size(), 1U);
  EXPECT_EQ(data.format, format().name);
  EXPECT_EQ(whole_text(data.examples[0]), text.prompt + text.completion + "|");
  const string learned = text.completion + "|";  // without a prompt, the first token has nothing before it
  EXPECT_EQ(supervised_text(data.examples[0]), text.prompt.empty() ? learned.substr(1) : learned);
}

std::vector<TableRow<RecordFormat>> rows_of_shape(bool text) {
  std::vector<TableRow<RecordFormat>> rows = table_rows(record_formats());
  std::erase_if(rows, [&](const TableRow<RecordFormat>& row) { return (row->shape == RecordShape::text) != text; });
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Table, FormatRow, ::testing::ValuesIn(rows_of_shape(true)), row_name<RecordFormat>);

/// Records of the other shapes: a row without one here fails. All say the same: U, then A; the ids are those of "UA".
const std::map<string, Json> kRecords = {
    {"messages", {{"messages", {{{"role", "user"}, {"content", "U"}}, {{"role", "assistant"}, {"content", "A"}}}}}},
    {"sharegpt", {{"conversations", {{{"from", "human"}, {"value", "U"}}, {{"from", "gpt"}, {"value", "A"}}}}}},
    {"prompt-messages", {{"prompt", {{{"role", "user"}, {"content", "U"}}}}, {"completion", {{{"role", "assistant"}, {"content", "A"}}}}}},
    {"alpaca", {{"system", "S"}, {"instruction", "U"}, {"output", "A"}}},
    {"ids", {{"input_ids", {'U', 'A'}}, {"prompt_length", 1}}},
};

class OtherRow : public ::testing::TestWithParam<TableRow<RecordFormat>> {
 protected:
  Json record() const {
    Json out = kRecords.at(GetParam().name());
    out["unrelated"] = 1;
    return out;
  }
};

TEST_P(OtherRow, IsFoundByNameAndByItsKeys) {
  EXPECT_EQ(&find_format(GetParam().name()), &*GetParam());
  EXPECT_EQ(detect_format(record(), "f:1").name, GetParam()->name);
  EXPECT_EQ(render_prompt(*GetParam(), "{what}?"), "{what}?");
}

TEST_P(OtherRow, AMissingOrWrongKeyIsNamed) {
  const ChatTemplate chat = ChatTemplate::from_text("{% for m in messages %}{{ m.content }}{% endfor %}", "t", {});
  DataConfig config;
  config.format = GetParam().name();
  std::istringstream keys{string(GetParam()->keys)};
  for (string key; keys >> key;) {
    Json wrong = record(), missing = record();
    wrong[key] = true;
    missing.erase(key);
    for (const Json& one : {wrong, missing}) {
      RowMaker maker(config, byte_tokenizer(), &chat);
      const string error = error_of<FormatError>([&] { maker.rows(one, "f:7"); });
      EXPECT_CONTAINS(error, "f:7: ");
      EXPECT_CONTAINS(error, "\"" + key + "\"");
    }
  }
}

TEST_P(OtherRow, TheAnswerIsWhatIsLearned) {
  const ChatTemplate chat = ChatTemplate::from_text("{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}", "t", {});
  const TempFolder folder;
  const string file = put_file(folder / "rows", record().dump()).string();
  const Dataset data = load_dataset({file}, {}, byte_tokenizer(), kVocab, &chat);
  ASSERT_EQ(data.examples.size(), 1U);
  EXPECT_EQ(data.format, GetParam()->name);
  EXPECT_EQ(whole_text(data.examples[0]), "UA");
  EXPECT_EQ(supervised_text(data.examples[0]), "A");
}

INSTANTIATE_TEST_SUITE_P(Table, OtherRow, ::testing::ValuesIn(rows_of_shape(false)), row_name<RecordFormat>);

TEST(FormatTable, NoRowHidesAnother) {
  std::set<std::string_view> names;
  for (const RecordFormat& format : record_formats()) EXPECT_TRUE(names.insert(format.name).second) << format.name;
}

}  // namespace
}  // namespace hellora::testing
