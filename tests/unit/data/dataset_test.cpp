// Token rows and their labels.
#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

using std::string;

TEST(Dataset, LabelsTheCompletionOnly) {
  const Dataset data = load_lines(R"({"prompt":"ab","completion":"cd"})");
  ASSERT_EQ(data.examples.size(), 1U);
  const Example& one = data.examples[0];
  EXPECT_EQ(wide(one.ids), (Ids{'a', 'b', 'c', 'd', kEos}));
  EXPECT_EQ(wide(one.targets), (Ids{kIgnore, 'c', 'd', kEos, kIgnore}));  // the last token predicts nothing
  EXPECT_EQ(one.supervised, 3);
  EXPECT_EQ(data.tokens(), 5);
  EXPECT_EQ(data.supervised(), 3);
  EXPECT_EQ(data.format, "prompt");
}

TEST(Dataset, LabelsEverythingWhenAsked) {
  DataConfig config;
  config.train_on = "all";
  EXPECT_EQ(wide(load_lines(R"({"prompt":"ab","completion":"cd"})", config).examples[0].targets), (Ids{'b', 'c', 'd', kEos, kIgnore}));
  EXPECT_EQ(wide(load_lines(R"({"text":"ab"})").examples[0].targets), (Ids{'b', kEos, kIgnore}));
}

TEST(Dataset, EveryFormatSupervisesItsAnswer) {
  EXPECT_EQ(supervised_text(load_lines(R"({"question":"q","answer":"a"})").examples[0]), " a|");
  EXPECT_EQ(supervised_text(load_lines(R"({"instruction":"i","output":"o"})").examples[0]), "o|");
  EXPECT_EQ(whole_text(load_lines(R"({"question":"q","answer":"a"})").examples[0]), "Question: q\nAnswer: a|");
}

TEST(Dataset, TheFirstRecordDecidesTheFormat) {
  const string lines = "{\"text\":\"a\"}\n{\"prompt\":\"b\",\"completion\":\"c\"}\n";
  EXPECT_CONTAINS(error_of<FormatError>([&] { load_lines(lines); }), "rows.jsonl:2");
  DataConfig given;
  given.format = "prompt";
  EXPECT_CONTAINS(error_of<FormatError>([&] { load_lines(lines, given); }), "rows.jsonl:1");
}

DataConfig limited(const string& too_long) {
  DataConfig config;
  config.max_length = 6;
  config.too_long = too_long;
  return config;
}

TEST(Dataset, TooLongRowsAreSkippedCutOrRefused) {
  const string lines =
      "{\"prompt\":\"ab\",\"completion\":\"cdefgh\"}\n{\"prompt\":\"ab\",\"completion\":\"cde\"}\n{\"prompt\":\"abcdefg\",\"completion\":"
      "\"x\"}\n";
  const Dataset skipped = load_lines(lines, limited("skip"));
  EXPECT_EQ(skipped.examples.size(), 1U);
  EXPECT_EQ(skipped.records, 3);
  EXPECT_EQ(skipped.skipped_long, 2);
  EXPECT_EQ(whole_text(skipped.examples[0]), "abcde|");  // exactly the limit fits
  EXPECT_EQ(skipped.examples[0].record, 1);              // numbered as read

  const Dataset cut = load_lines(lines, limited("truncate"));
  ASSERT_EQ(cut.examples.size(), 2U);
  EXPECT_EQ(whole_text(cut.examples[0]), "abcdef");
  EXPECT_EQ(supervised_text(cut.examples[0]), "cdef");  // no end of text: it was cut off
  EXPECT_EQ(cut.truncated, 2);
  EXPECT_EQ(cut.skipped_empty, 1);  // nothing of the third's completion is left

  EXPECT_CONTAINS(error_of<DataError>([&] { load_lines(lines, limited("error")); }), "rows.jsonl:1: 9 tokens; data.max_length is 6");
}

TEST(Dataset, SaysWhyNoRowIsLeft) {
  EXPECT_CONTAINS(error_of<DataError>([] { load_lines(""); }), "no usable row (0 read");
  EXPECT_CONTAINS(error_of<DataError>([] { load_lines("\n\n"); }), "rows.jsonl");
  EXPECT_CONTAINS(error_of<DataError>([] { load_lines(R"({"text":"long enough"})", limited("skip")); }), "1 longer than data.max_length 6");
  EXPECT_CONTAINS(error_of<DataError>([] { load_lines(R"({"text":""})"); }), "1 without a supervised token");
}

TEST(Dataset, MalformedLinesCarryFileAndLine) {
  EXPECT_CONTAINS(error_of<FormatError>([] { load_lines("{\"text\":\"a\"}\n\n{\"text\":\n"); }), "rows.jsonl:3: not valid JSON");
  EXPECT_CONTAINS(error_of<FormatError>([] { load_lines("{\"text\":\"a\"}\n[1]\n"); }), "rows.jsonl:2");
  EXPECT_CONTAINS(error_of<FormatError>([] { load_lines("5"); }), "rows.jsonl:1");
  EXPECT_CONTAINS(error_of<DataError>([] { load_dataset({"/nonexistent.jsonl"}, {}, byte_tokenizer(), kVocab); }), "/nonexistent.jsonl");
}

TEST(Dataset, RefusesATokenizerOfAnotherModel) {
  const string error = error_of<DataError>([] { load_lines(R"({"text":"az"})", {}, byte_tokenizer(), 'z'); });
  EXPECT_CONTAINS(error, "rows.jsonl:1: token id 122 is outside the model's vocabulary of 122");
}

/// A mark that the tokenizer puts before a text comes once, whatever the format.
TEST(Dataset, BeginsWithOneMark) {
  Json json = small_tokenizer();
  json["model"]["merges"] = Json::array();
  json["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", {{{"SpecialToken", {{"id", "B"}}}}, {{"Sequence", {{"id", "A"}}}}}},
                            {"special_tokens", {{"B", {{"ids", {1}}}}}}};
  const Tokenizer marking = load_small(json);
  EXPECT_EQ(wide(load_lines(R"({"text":"ab"})", {}, marking).examples[0].ids), (Ids{1, 'a', 'b', kEos}));
  EXPECT_EQ(wide(load_lines(R"({"prompt":"a","completion":"b"})", {}, marking).examples[0].ids), (Ids{1, 'a', 'b', kEos}));
  EXPECT_EQ(wide(load_lines(R"({"prompt":"a","completion":"b"})", {}, marking).examples[0].targets), (Ids{kIgnore, 'b', kEos, kIgnore}));
}

TEST(Dataset, HashFollowsTokensAndLabels) {
  const string a = R"({"prompt":"ab","completion":"cd"})", b = R"({"prompt":"abc","completion":"d"})";
  DataConfig all;
  all.train_on = "all";
  EXPECT_EQ(load_lines(a).hash, load_lines(a + "\n").hash);
  EXPECT_NE(load_lines(a).hash, load_lines(b).hash);  // the same tokens, other labels
  EXPECT_EQ(load_lines(a, all).hash, load_lines(b, all).hash);
  EXPECT_NE(load_lines(a + "\n" + b).hash, load_lines(b + "\n" + a).hash);
}

TEST(Dataset, ReadsSeveralFilesInOrderAndDescribesItself) {
  const TempFolder folder;
  const std::vector<string> files = {put_file(folder / "1", R"({"text":"ab"})").string(),
                                     put_file(folder / "2", "{\"text\":\"c\"}\n{\"text\":\"\"}").string()};
  const Dataset data = load_dataset(files, {}, byte_tokenizer(), kVocab);
  ASSERT_EQ(data.examples.size(), 2U);
  EXPECT_EQ(data.examples[1].record, 1);
  EXPECT_EQ(describe(data), "2 examples, 5 tokens (3 supervised), 1 skipped without a supervised token");
}

}  // namespace
}  // namespace hellora::testing
