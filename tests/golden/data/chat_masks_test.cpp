// Masks of conversations token by token, against transformers. The file's origin is in README.md.
#include <gtest/gtest.h>

#include <fstream>

#include "hellora/data/chat_rows.h"

namespace hellora::testing {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

ChatTemplate template_of(const std::string& name, const char* bos = "<|endoftext|>", const char* eos = "<|endoftext|>") {
  std::string source = text_of("tests/golden/fixtures/text/chat/templates/" + name + ".jinja");
  const std::string clock = "strftime_now(\"%d %b %Y\")";
  if (const size_t at = source.find(clock); at != std::string::npos) source.replace(at, clock.size(), "\"26 Jul 2024\"");
  return ChatTemplate::from_text(source, name, {{"bos_token", bos}, {"eos_token", eos}});
}

struct Counts {
  int rows = 0, split = 0;
};

Counts compare(const std::string& name, const Tokenizer& tokenizer, const char* bos, const char* eos) {
  std::ifstream in("tests/golden/fixtures/data/" + name, std::ios::binary);
  Counts counts;
  for (std::string line; std::getline(in, line); ++counts.rows) {
    const Json row = parse_json(line, name);
    const std::string what = row["template"].get<std::string>() + " " + row["case"].get<std::string>();
    const Conversation conversation{row["messages"], row["tools"]};
    const std::vector<TokenRow> rows =
        chat_rows(template_of(row["template"].get<std::string>(), bos, eos), tokenizer, conversation, "all-turns", "f:1");
    if (row["rows"].empty()) {  // no assistant turn
      EXPECT_TRUE(rows.empty() || rows[0].labels == std::vector<int64_t>(rows[0].ids.size(), kIgnore)) << what;
      continue;
    }
    EXPECT_EQ(rows.size(), row["rows"].size()) << what;
    if (rows.size() != row["rows"].size()) continue;
    counts.split += rows.size() > 1 ? 1 : 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      Json mask = Json::array();
      for (size_t t = 0; t < rows[i].ids.size(); ++t) mask.push_back(rows[i].supervised(t) ? 1 : 0);
      EXPECT_EQ(Json(rows[i].ids).dump(), row["rows"][i]["ids"].dump()) << what;
      EXPECT_EQ(mask.dump(), row["rows"][i]["mask"].dump()) << what << "\n" << rows[i].text;
    }
  }
  return counts;
}

TEST(GoldenChat, IdsAndMasksOfTransformers) {
  const Counts counts = compare("chat_masks.jsonl", Tokenizer::load("models/tiny-olmoe/tokenizer.json"), "<|endoftext|>", "<|endoftext|>");
  EXPECT_GE(counts.rows, 150);
  EXPECT_GE(counts.split, 5);  // templates that rewrite earlier turns
}

/// A vocabulary of SentencePiece, whose tokens stand for more or less than their text.
TEST(GoldenChat, IdsAndMasksWithMixtralsTokenizer) {
  EXPECT_GE(compare("chat_masks_mixtral.jsonl", Tokenizer::load("tests/golden/fixtures/text/mixtral_tokenizer.json"), "<s>", "</s>").rows,
            49);
}

/// Records of prompt and completion messages, as TRL's SFTTrainer labels them.
TEST(GoldenChat, LabelsOfTrlForPromptAndCompletion) {
  const Tokenizer tokenizer = Tokenizer::load("models/tiny-olmoe/tokenizer.json");
  std::ifstream in("tests/golden/fixtures/data/prompt_masks.jsonl", std::ios::binary);
  int count = 0;
  for (std::string line; std::getline(in, line); ++count) {
    const Json row = parse_json(line, "prompt_masks.jsonl");
    const std::string what = row["template"].get<std::string>() + " " + row["case"].get<std::string>();
    const ChatTemplate chat = template_of(row["template"].get<std::string>());
    const DataConfig config;
    Json record = row;
    for (const char* about : {"template", "case", "ids", "mask"}) record.erase(about);  // what the file says of the record
    const std::vector<TokenRow> rows = RowMaker(config, tokenizer, &chat).rows(record, "f:1");
    ASSERT_EQ(rows.size(), 1U) << what;
    Json mask = Json::array();
    for (size_t t = 0; t < rows[0].ids.size(); ++t) mask.push_back(rows[0].supervised(t) ? 1 : 0);
    EXPECT_EQ(Json(rows[0].ids).dump(), row["ids"].dump()) << what;
    EXPECT_EQ(mask.dump(), row["mask"].dump()) << what << "\n" << rows[0].text;
  }
  EXPECT_GE(count, 40);
}

}  // namespace
}  // namespace hellora::testing
