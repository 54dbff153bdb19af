// Single parts of a tokenizer against Hugging Face's: classes of patterns, composition, decoders, options of models.
#include <gtest/gtest.h>

#include <fstream>

#include "hellora/core/json.h"
#include "hellora/core/utf8.h"
#include "hellora/text/decoder.h"
#include "hellora/text/nfc.h"
#include "hellora/text/pattern.h"
#include "hellora/text/pre_tokenizer.h"
#include "hellora/text/regex.h"
#include "hellora/text/tokenizer.h"

namespace hellora::testing {
namespace {

std::vector<Json> rows_of(const std::string& name) {
  std::ifstream in("tests/golden/fixtures/text/" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  std::vector<Json> rows;
  for (std::string line; std::getline(in, line);) rows.push_back(parse_json(line, name));
  return rows;
}

/// The code points for which `is` holds, as first and last of each run.
template <class Is>
Json ranges_of(Is&& is) {
  Json out = Json::array();
  for (uint32_t code = 0; code < 0x110000; ++code) {
    if (code == 0xD800) code = 0xE000;
    if (!is(encode_utf8(code))) continue;
    // The files were made without surrogates, so runs do not cross them.
    if (!out.empty() && out.back()[1] == code - 1) {
      out.back()[1] = code;
    } else {
      out.push_back({code, code});
    }
  }
  return out;
}

TEST(GoldenParts, PatternsMatchTheSameCharacters) {
  const std::vector<Json> rows = rows_of("classes.jsonl");
  ASSERT_GE(rows.size(), 30U);
  for (const Json& row : rows) {
    if (row.contains("digits")) {
      const PreTokenizer digits = parse_pre_tokenizer({{"type", "Digits"}, {"individual_digits", true}}, "test");
      EXPECT_EQ(ranges_of([&](const std::string& c) { return pre_tokenize(digits, "a" + c + "a").size() == 3; }), row["ranges"]);
      continue;
    }
    const auto pattern = row["pattern"].get<std::string>();
    const Regex regex(to_pcre2(pattern, "test"), "test");
    EXPECT_EQ(ranges_of([&](const std::string& c) { return regex.find(c).has_value(); }).dump(), row["ranges"].dump()) << pattern;
  }
}

TEST(GoldenParts, Composition) {
  for (const Json& row : rows_of("nfc.jsonl")) EXPECT_EQ(nfc(row["text"].get<std::string>()), row["nfc"].get<std::string>()) << row.dump();
}

/// A stream of tokens; each part of it is whole characters.
TEST(GoldenParts, Decoders) {
  for (const Json& row : rows_of("decoders.jsonl")) {
    const Decoder decoder = parse_decoder(row["decoder"], "decoders.jsonl");
    for (const Json& one : row["cases"]) {
      DecodeStream stream(decoder);
      std::string text;
      for (const Json& token : one[0]) {
        const std::string part = stream.push(token.get<std::string>(), false);
        EXPECT_TRUE(is_utf8(part)) << one.dump();
        text += part;
      }
      EXPECT_EQ(text + stream.finish(), one[1].get<std::string>()) << row["decoder"].dump() << one.dump();
    }
  }
}

TEST(GoldenParts, ModelsAndTheirOptions) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "golden_model.json";
  for (const Json& row : rows_of("models.jsonl")) {
    std::ofstream(path) << row["tokenizer"].dump();
    const Tokenizer tokenizer = Tokenizer::load(path);
    for (const Json& one : row["cases"]) {
      const auto ids = one[1].get<std::vector<int64_t>>();
      EXPECT_EQ(Json(tokenizer.encode(one[0].get<std::string>(), true)).dump(), one[1].dump()) << one.dump() << row["tokenizer"].dump();
      EXPECT_EQ(tokenizer.decode(ids), one[2].get<std::string>()) << one.dump() << row["tokenizer"].dump();
      EXPECT_EQ(tokenizer.decode(ids, true), one[3].get<std::string>()) << one.dump() << row["tokenizer"].dump();
    }
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace hellora::testing
