// Loading in blocks on several threads: the same dataset and the same error as one record after the other.
#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

using std::string;

DataConfig up_to(int64_t length) {
  DataConfig config;
  config.max_length = length;
  return config;
}

Dataset load(const string& lines, const LoadLimits& limits, const DataConfig& config = up_to(60), const ChatTemplate* chat = nullptr) {
  const TempFolder folder;
  return load_dataset({put_file(folder / "rows.jsonl", lines).string()}, config, byte_tokenizer(), kVocab, chat, limits);
}

/// A row in ten is too long, another has nothing to learn, another line is blank.
string many_pairs(size_t count) {
  string lines;
  for (size_t i = 0; i < count; ++i) {
    const string completion(i % 10 == 3 ? 80 : 1 + i % 37, static_cast<char>('a' + i % 26));
    const Json pair = {{"prompt", std::to_string(i)}, {"completion", completion}};
    const Json long_prompt = {{"prompt", i % 10 == 5 ? string(60, 'x') : "p"}, {"completion", "c"}};
    lines.append((i % 10 == 5 ? long_prompt : pair).dump()).append(i % 10 == 7 ? "\n\n" : "\n");
  }
  return lines;
}

string many_talks(size_t count) {
  string lines;
  for (size_t i = 0; i < count; ++i) {
    Json messages = Json::array();
    for (size_t turn = 0; turn < 1 + i % 3; ++turn) {
      messages.push_back({{"role", "user"}, {"content", std::to_string(i)}});
      messages.push_back({{"role", "assistant"}, {"content", string("think/").append(std::to_string(turn))}});
    }
    lines.append(Json{{"messages", messages}}.dump()).append("\n");
  }
  return lines;
}

void expect_same(const Dataset& a, const Dataset& b) {
  EXPECT_EQ(a.hash, b.hash);
  EXPECT_EQ(describe(a), describe(b));
  EXPECT_EQ(a.format, b.format);
  EXPECT_EQ(a.records, b.records);
  ASSERT_EQ(a.examples.size(), b.examples.size());
  for (size_t i = 0; i < a.examples.size(); ++i) {
    EXPECT_EQ(wide(a.examples[i].ids), wide(b.examples[i].ids));
    EXPECT_EQ(wide(a.examples[i].targets), wide(b.examples[i].targets));
    EXPECT_EQ(a.examples[i].record, b.examples[i].record);
    EXPECT_EQ(a.examples[i].supervised, b.examples[i].supervised);
  }
}

TEST(Load, IsTheSameOnAnyNumberOfThreadsAndWithRowsOnTheDisk) {
  const string lines = many_pairs(5000);
  DataConfig cut = up_to(60);
  cut.too_long = "truncate";
  for (const DataConfig& config : {up_to(60), cut}) {
    const Dataset one = load(lines, {1}, config);
    EXPECT_EQ(one.records, 5000);
    EXPECT_TRUE(one.skipped_long + one.truncated > 0);
    EXPECT_EQ(one.skipped_empty > 0, one.truncated > 0);
    expect_same(load(lines, {4}, config), one);
    expect_same(load(lines, {4, 0}, config), one);
    expect_same(load(lines, {}, config), one);
  }
}

TEST(Load, ConversationsAreTheSameOnAnyNumberOfThreads) {
  const ChatTemplate chat = ChatTemplate::from_text(
      "{% for m in messages %}{{ m.role[0] }}:{{ m.content if loop.last else m.content.split('/')[-1] }} {% endfor %}{{ 'a:' if "
      "add_generation_prompt }}",
      "t", {});
  const string lines = many_talks(700);
  const Dataset one = load(lines, {1}, up_to(200), &chat);
  EXPECT_EQ(one.split, 466);  // of every three, those with several turns
  expect_same(load(lines, {4}, up_to(200), &chat), one);
}

TEST(Load, TheFirstBadRecordIsReported) {
  const string good = R"({"prompt":"p","completion":"c"})", bad_json = "{\"prompt\":", no_key = R"({"prompt":"p"})", bad_text = "\"\xFF\"",
               long_row = Json{{"prompt", "p"}, {"completion", string(80, 'l')}}.dump();
  const std::vector<std::pair<string, string>> cases = {
      {bad_json, "not valid JSON"}, {no_key, "\"completion\""}, {bad_text, "not valid UTF-8"}, {long_row, "82 tokens"}};
  DataConfig strict = up_to(60);
  strict.too_long = "error";
  for (const auto& [bad, reason] : cases) {
    for (const size_t at : {size_t{0}, size_t{300}, size_t{2047}, size_t{2048}}) {
      string lines;
      for (size_t i = 0; i < at; ++i) lines.append(good).append("\n");
      lines.append(bad).append("\n");
      for (size_t i = 0; i < 20; ++i) lines.append(cases[i % cases.size()].first).append("\n");  // those after it are not
      const string where = string("rows.jsonl:").append(std::to_string(at + 1)).append(": ");
      for (const int threads : {1, 4}) {
        const string error = error_of<Error>([&] { load(lines, {threads}, strict); });
        EXPECT_CONTAINS(error, where);
        EXPECT_CONTAINS(error, at > 0 || reason != "\"completion\"" ? reason : string("no known format"));
      }
    }
  }
}

}  // namespace
}  // namespace hellora::testing
