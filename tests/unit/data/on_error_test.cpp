// Bad records that are skipped, counted and named.
#include "tests/unit/data/records.h"

namespace hellora::testing {
namespace {

using std::string;

DataConfig skipping() {
  DataConfig config;
  config.on_error = "skip";
  return config;
}

TEST(OnError, SkippedRecordsAreCountedAndNamed) {
  string lines =
      "{\"odd\":1}\n{\"text\":\n{\"text\":\"ab\"}\n\"\xFF\"\n{\"text\":true}\n{\"text\":\"cd\",\"weight\":0.5}\n[1]\n5\n{\"text\":\"ef\"}"
      "\n";
  const Dataset data = load_lines(lines, skipping());
  ASSERT_EQ(data.examples.size(), 2U);
  EXPECT_EQ(whole_text(data.examples[1]), "ef|");
  EXPECT_EQ(data.examples[1].record, 8);  // counted as read
  EXPECT_EQ(data.records, 9);
  EXPECT_EQ(data.skipped_bad, 7);
  ASSERT_EQ(data.first_bad.size(), 5U);
  EXPECT_CONTAINS(data.first_bad[0], "rows.jsonl:1: the record has the keys of no known format");
  EXPECT_CONTAINS(data.first_bad[1], "rows.jsonl:2: not valid JSON");
  EXPECT_CONTAINS(data.first_bad[2], "rows.jsonl:4: not valid UTF-8");
  EXPECT_CONTAINS(data.first_bad[3], "rows.jsonl:5: key \"text\"");
  EXPECT_CONTAINS(data.first_bad[4], "rows.jsonl:6: \"weight\" must be 0 or 1");
  EXPECT_CONTAINS(describe(data), ", 7 skipped as bad");
  EXPECT_EQ(dataset_facts(data)["skipped_bad"], 7);
  EXPECT_EQ(dataset_facts(data)["first_bad"].size(), 5U);
}

TEST(OnError, StopsWithoutIt) {
  EXPECT_CONTAINS(error_of<FormatError>([] { load_lines("{\"text\":\"ab\"}\n{\"text\":true}\n"); }), "rows.jsonl:2");
}

TEST(OnError, NothingButBadRecordsIsAnError) {
  const string error = error_of<DataError>([] { load_lines("{\"odd\":1}\n5\n", skipping()); });
  EXPECT_CONTAINS(error, "no usable row (2 read");
  EXPECT_CONTAINS(error, "2 bad ones, the first: ");
  EXPECT_CONTAINS(error, "rows.jsonl:1: the record has the keys of no known format");
}

/// What is wrong with the settings, not with a record, stops in any case.
TEST(OnError, SettingsAreNoRecords) {
  EXPECT_CONTAINS(error_of<ConfigError>([] { load_lines(R"({"messages":[{"role":"user","content":"a"}]})", skipping()); }),
                  "need a chat template");
  DataConfig strict = skipping();
  strict.too_long = "error";
  strict.max_length = 2;
  EXPECT_CONTAINS(error_of<DataError>([&] { load_lines(R"({"text":"long"})", strict); }), "5 tokens; data.max_length is 2");
}

}  // namespace
}  // namespace hellora::testing
