// Tokenizers out of GGUF metadata: the fixtures' vocabularies as such files hold them must give the golden rows' ids.
#include "hellora/text/gguf_tokenizer.h"

#include <map>

#include "hellora/io/gguf.h"
#include "hellora/text/gguf_merges.h"
#include "hellora/text/gguf_pre.h"
#include "hellora/text/tokenizer.h"
#include "tests/support/gguf.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

constexpr const char* kFixtures = "tests/golden/fixtures/text/";

/// A vocabulary as GGUF files hold it: every id has a token, of type 5 where the fixture was cut.
struct Dense {
  std::vector<string> tokens, types, scores, merges;

  explicit Dense(const Json& tokenizer) {
    std::map<int64_t, std::pair<string, int>> by_id;
    for (const auto& [token, id] : tokenizer["model"]["vocab"].items()) {
      const bool byte = token.size() == 6 && token.starts_with("<0x");
      by_id[id.get<int64_t>()] = {token, byte ? 6 : 1};
    }
    for (const Json& added : tokenizer["added_tokens"])
      by_id[added["id"].get<int64_t>()] = {added["content"].get<string>(), added["special"].get<bool>() ? 3 : 4};
    for (int64_t id = 0; id <= by_id.rbegin()->first; ++id) {
      const auto it = by_id.find(id);
      tokens.push_back(it == by_id.end() ? "[PAD" + std::to_string(id) + "]" : it->second.first);
      types.push_back(little_endian(it == by_id.end() ? 5 : it->second.second));
    }
    // As in SentencePiece's own files: the earlier a piece was learned, the higher its score.
    std::map<string, float> learned;
    for (const Json& merge : tokenizer["model"]["merges"]) {
      merges.push_back(merge.get<string>());
      const size_t space = merges.back().find(' ');
      learned.emplace(merges.back().substr(0, space) + merges.back().substr(space + 1), -static_cast<float>(merges.size()));
    }
    for (const string& token : tokens) scores.push_back(gguf_f32(learned.contains(token) ? learned[token] : -1e9F));
  }
};

Json fixture(const string& family) { return parse_json(read_text(kFixtures + family + "_tokenizer.json"), family); }

GgufBytes dense_file(const Dense& dense, const string& model) {
  GgufBytes file;
  file.text("tokenizer.ggml.model", model).array("tokenizer.ggml.tokens", 8, dense.tokens);
  file.array("tokenizer.ggml.token_type", 5, dense.types).array("tokenizer.ggml.scores", 6, dense.scores);
  return file;
}

GgufTokenizer read(const GgufBytes& made) {
  const TempFolder folder;
  GgufFile file(put_file(folder / "t.gguf", made.bytes()));
  return read_gguf_tokenizer(file.metadata());
}

Tokenizer load(const GgufTokenizer& made) {
  const TempFolder folder;
  put_file(folder / "tokenizer.json", made.tokenizer.dump());
  put_file(folder / "tokenizer_config.json", made.config.dump());
  put_file(folder / "special_tokens_map.json", made.special_tokens.dump());
  return Tokenizer::load(folder.path());
}

void expect_rows(const Tokenizer& tokenizer, const string& family) {
  size_t rows = 0;
  for (const char* kind : {".jsonl", "_more.jsonl"}) {
    std::istringstream lines(read_text(kFixtures + family + kind));
    for (string line; std::getline(lines, line); ++rows) {
      const Json row = parse_json(line, family);
      ASSERT_EQ(Json(tokenizer.encode(row["text"].get<string>())), row["ids"]) << family << ": " << row["text"];
      if (!row.contains("ids_special")) continue;
      ASSERT_EQ(Json(tokenizer.encode(row["text"].get<string>(), true)), row["ids_special"]) << family << ": " << row["text"];
    }
  }
  EXPECT_GT(rows, 400U);
}

struct ByteLevelCase {
  const char *family, *pre;
  bool begins;
};

TEST(GgufTokenizer, GivesTheIdsOfByteLevelFamilies) {
  for (const ByteLevelCase& one : {ByteLevelCase{"olmoe", "olmo", false}, {"qwen", "qwen2", false}, {"deepseek", "deepseek-llm", true}}) {
    const Dense dense(fixture(one.family));
    GgufBytes file = dense_file(dense, "gpt2");
    file.text("tokenizer.ggml.pre", one.pre).array("tokenizer.ggml.merges", 8, dense.merges);
    if (one.begins) file.flag("tokenizer.ggml.add_bos_token", true).number("tokenizer.ggml.bos_token_id", 100000);
    expect_rows(load(read(file)), one.family);
  }
}

TEST(GgufTokenizer, RebuildsTheMergesOfSentencePiece) {
  const Dense dense(fixture("mixtral"));
  GgufBytes file = dense_file(dense, "llama");
  file.number("tokenizer.ggml.bos_token_id", 1).number("tokenizer.ggml.eos_token_id", 2).number("tokenizer.ggml.unknown_token_id", 0);
  const GgufTokenizer made = read(file);
  const Tokenizer tokenizer = load(made);
  expect_rows(tokenizer, "mixtral");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a  b\xF0\x9F\xA6\x99")), "a  b\xF0\x9F\xA6\x99");
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
}

TEST(GgufTokenizer, WithoutASpaceBeforeTheText) {
  GgufBytes file = dense_file(Dense(fixture("mixtral")), "llama");
  file.flag("tokenizer.ggml.add_space_prefix", false).flag("tokenizer.ggml.add_bos_token", false);
  const Tokenizer tokenizer = load(read(file));
  EXPECT_EQ(tokenizer.encode("a", true).size(), 1U);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(" in a")), " in a");
}

TEST(GgufTokenizer, OrdersMergesByScoreThenByLength) {
  const std::vector<ScoredPiece> pieces = {{"a", 0}, {"b", 0}, {"ab", -2}, {"abb", -1}, {"bb", -3}, {"\u2581", 0}, {"\u2581a", -2}};
  std::vector<string> found;
  for (const auto& [left, right] : merges_of_pieces(pieces)) found.push_back(string(left) + " " + string(right));
  EXPECT_EQ(found, (std::vector<string>{"ab b", "a bb", "a b", "\u2581 a", "b b"}));
}

/// A file with the smallest vocabulary, changed by a test.
GgufBytes small(const string& model = "gpt2", const string& pre = "smollm") {
  GgufBytes file;
  file.text("tokenizer.ggml.model", model).text("tokenizer.ggml.pre", pre);
  file.array("tokenizer.ggml.tokens", 8, {"<s>", "a", "b", "ab", "<x>", "[PAD5]"});
  file.array("tokenizer.ggml.token_type", 5,
             {little_endian(3), little_endian(1), little_endian(1), little_endian(1), little_endian(4), little_endian(5)});
  return file.array("tokenizer.ggml.merges", 8, {"a b"});
}

TEST(GgufTokenizer, KeepsTypesAndLeavesOutWhatFillsTheEnd) {
  const GgufTokenizer made = read(
      small().number("tokenizer.ggml.eos_token_id", 0).number("tokenizer.ggml.eot_token_id", 4).text("tokenizer.chat_template", "{{ x }}"));
  EXPECT_EQ(made.tokens, 5);
  EXPECT_EQ(made.ends, (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(made.config["chat_template"], "{{ x }}");
  EXPECT_EQ(made.special_tokens["eos_token"], "<s>");
  ASSERT_EQ(made.tokenizer["added_tokens"].size(), 2U);
  EXPECT_EQ(made.tokenizer["added_tokens"][0]["special"], true);
  EXPECT_EQ(made.tokenizer["added_tokens"][1]["special"], false);
  EXPECT_EQ(load(made).encode("ab<x>a"), (std::vector<int64_t>{3, 4, 1}));
}

TEST(GgufTokenizer, SaysWhatStandsAroundAText) {
  const auto around = [](GgufBytes file) {
    return load(read(file.number("tokenizer.ggml.bos_token_id", 0).number("tokenizer.ggml.eos_token_id", 4))).encode("a", true);
  };
  EXPECT_EQ(around(small()), (std::vector<int64_t>{1}));
  EXPECT_EQ(around(small("gpt2", "llama-bpe")), (std::vector<int64_t>{0, 1}));  // llama.cpp's default for this kind
  EXPECT_EQ(around(small("gpt2", "llama-bpe").flag("tokenizer.ggml.add_bos_token", false)), (std::vector<int64_t>{1}));
  EXPECT_EQ(around(small().flag("tokenizer.ggml.add_bos_token", true).flag("tokenizer.ggml.add_eos_token", true)),
            (std::vector<int64_t>{0, 1, 4}));
}

TEST(GgufTokenizer, RefusesInOneLine) {
  const auto refusal = [](const GgufBytes& file) {
    const string message = error_of<FormatError>([&] { read(file); });
    EXPECT_EQ(message.find('\n'), string::npos);
    return message;
  };
  EXPECT_CONTAINS(refusal(small("gpt2", "default")), "pre-tokenizer \"default\" is not known; expected one of gpt-2, olmo, smollm");
  EXPECT_CONTAINS(refusal(small("bert")), "\"bert\" is not supported; expected \"gpt2\" or \"llama\"");
  EXPECT_CONTAINS(refusal(small("llama")), "scores\" is missing");
  EXPECT_CONTAINS(refusal(small("llama").array("tokenizer.ggml.scores", 6, std::vector<string>(4, gguf_f32(0)))),
                  "has 4 elements, fewer than there are tokens");
  EXPECT_CONTAINS(refusal(small().number("tokenizer.ggml.eos_token_id", 5)), "an integer from 0 to 4, found 5");
  EXPECT_CONTAINS(refusal(small().flag("tokenizer.ggml.add_bos_token", true)), "bos_token_id\" is missing");
  GgufBytes twice;
  twice.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "gpt-2").array("tokenizer.ggml.tokens", 8, {"a", "b", "a"});
  EXPECT_CONTAINS(refusal(twice), "tokens 0 and 2 are the same text \"a\"");
  GgufBytes few;
  few.array("tokenizer.ggml.tokens", 8, {"a", "b"}).array("tokenizer.ggml.token_type", 5, {little_endian(1)});
  EXPECT_CONTAINS(refusal(few), "has 1 elements, and there are 2 tokens");
  GgufBytes wide;
  wide.text("tokenizer.ggml.model", "llama")
      .array("tokenizer.ggml.tokens", 8, {string(513, 'a')})
      .array("tokenizer.ggml.scores", 6, {gguf_f32(0)});
  EXPECT_CONTAINS(refusal(wide), "has 513 bytes; expected at most 512");
}

}  // namespace
}  // namespace hellora::testing
