// Rows from Hugging Face's tokenizers: ids and texts must agree exactly. The files' origin is in README.md.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "hellora/core/error.h"
#include "hellora/core/json.h"
#include "hellora/core/utf8.h"
#include "hellora/text/pre_tokenizer.h"
#include "hellora/text/tokenizer.h"

namespace hellora::testing {
namespace {

const std::string kFolder = "tests/golden/fixtures/text/";

std::vector<Json> rows_of(const std::string& name) {
  std::ifstream in(kFolder + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  std::vector<Json> rows;
  for (std::string line; std::getline(in, line);) rows.push_back(parse_json(line, name));
  return rows;
}

/// The text of a stream; every part of it is whole characters.
std::string streamed(const Tokenizer& tokenizer, const std::vector<int64_t>& ids) {
  StreamDecoder stream(tokenizer);
  std::string text;
  const auto add = [&](const std::string& part) {
    EXPECT_TRUE(is_utf8(part));
    text += part;
  };
  for (const int64_t id : ids) add(stream.push(id));
  add(stream.finish());
  return text;
}

std::string shown(const std::vector<int64_t>& ids) { return Json(ids).dump(); }

class GoldenFamily : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenFamily, EncodesAndDecodes) {
  const std::string family = GetParam();
  const Tokenizer tokenizer = Tokenizer::load(kFolder + family + "_tokenizer.json");
  const std::vector<Json> rows = rows_of(family + ".jsonl");
  ASSERT_EQ(rows.size(), 127U);
  for (const Json& row : rows) {
    const auto ids = row["ids"].get<std::vector<int64_t>>();
    EXPECT_EQ(shown(tokenizer.encode(row["text"].get<std::string>())), shown(ids)) << row.dump();
    EXPECT_EQ(tokenizer.decode(ids), row["decoded"].get<std::string>()) << row.dump();
  }
}

TEST_P(GoldenFamily, AgreesOnOddTexts) {
  const std::string family = GetParam();
  const Tokenizer tokenizer = Tokenizer::load(kFolder + family + "_tokenizer.json");
  const std::vector<Json> rows = rows_of(family + "_more.jsonl");
  ASSERT_GE(rows.size(), 300U);
  for (const Json& row : rows) {
    const auto text = row["text"].get<std::string>();
    const auto special = row["ids_special"].get<std::vector<int64_t>>();
    EXPECT_EQ(shown(tokenizer.encode(text)), row["ids"].dump()) << row.dump();
    EXPECT_EQ(shown(tokenizer.encode(text, true)), shown(special)) << row.dump();
    EXPECT_EQ(tokenizer.decode(special), row["decoded"].get<std::string>()) << row.dump();
    EXPECT_EQ(streamed(tokenizer, special), row["decoded"].get<std::string>()) << row.dump();
  }
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenFamily, ::testing::Values("olmoe", "mixtral", "deepseek", "qwen"),
                         [](const auto& one) { return std::string(one.param); });

/// Rows with special tokens added, and both ways to decode them.
void check_full_rows(const Tokenizer& tokenizer, const std::vector<Json>& rows) {
  for (const Json& row : rows) {
    const auto text = row["text"].get<std::string>();
    const auto special = row["ids_special"].get<std::vector<int64_t>>();
    EXPECT_EQ(shown(tokenizer.encode(text)), row["ids"].dump()) << row.dump();
    EXPECT_EQ(shown(tokenizer.encode(text, true)), row["ids_special"].dump()) << row.dump();
    EXPECT_EQ(tokenizer.decode(special), row["decoded"].get<std::string>()) << row.dump();
    EXPECT_EQ(tokenizer.decode(special, true), row["decoded_plain"].get<std::string>()) << row.dump();
  }
}

TEST(GoldenText, TinyModelsTokenizer) {
  const std::vector<Json> rows = rows_of("tiny.jsonl");
  ASSERT_GE(rows.size(), 100U);
  check_full_rows(Tokenizer::load("models/tiny-olmoe/tokenizer.json"), rows);
}

TEST(GoldenText, AddedTokenOptionsAndTemplate) {
  const std::vector<Json> rows = rows_of("options.jsonl");
  ASSERT_GE(rows.size(), 40U);
  check_full_rows(Tokenizer::load(kFolder + "options_tokenizer.json"), rows);
}

TEST(GoldenText, PreTokenizerStages) {
  const std::vector<Json> rows = rows_of("splits.jsonl");
  ASSERT_GE(rows.size(), 100U);
  for (const Json& row : rows) {
    const PreTokenizer stages = parse_pre_tokenizer(row["pre_tokenizer"], "splits.jsonl");
    for (const Json& one : row["cases"]) {
      std::vector<std::string> pieces = pre_tokenize(stages, one[0].get<std::string>());
      std::erase(pieces, "");  // an empty text has one empty piece here, none there: both hold no token
      EXPECT_EQ(Json(pieces).dump(), one[1].dump()) << row["pre_tokenizer"].dump() << one.dump();
    }
  }
}

TEST(GoldenText, StreamingEqualsDecoding) {
  const Tokenizer tokenizer = Tokenizer::load("models/tiny-olmoe/tokenizer.json");
  for (const Json& row : rows_of("tiny.jsonl")) {
    const auto ids = row["ids"].get<std::vector<int64_t>>();
    EXPECT_EQ(streamed(tokenizer, ids), tokenizer.decode(ids)) << row.dump();
  }
}

}  // namespace
}  // namespace hellora::testing
