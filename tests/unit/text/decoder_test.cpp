// Decoders and streaming; rows of the reference are in tests/golden/fixtures/text/decoders.jsonl.
#include "hellora/text/decoder.h"

#include <array>
#include <cstdio>

#include "hellora/core/utf8.h"
#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;

TEST(StreamDecoder, HoldsBackHalfCharacters) {
  const Tokenizer tokenizer = load_small(small_tokenizer());
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.push(0xE4), "");  // 世 is E4 B8 96
  EXPECT_EQ(stream.push(0xB8), "");
  EXPECT_EQ(stream.push(0x96), "世");
  EXPECT_EQ(stream.push('a'), "a");
  EXPECT_EQ(stream.push(0xE4), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");  // never completed
  EXPECT_EQ(stream.finish(), "");
}

/// SentencePiece's decoder over a vocabulary with all bytes.
Tokenizer fallback_tokenizer() {
  Json vocab = {{"<unk>", 0}, {"▁", 1}, {"a", 2}, {"▁a", 3}};
  for (int byte = 0; byte < 256; ++byte) {
    std::array<char, 8> name{};
    std::snprintf(name.data(), name.size(), "<0x%02X>", byte);
    vocab[name.data()] = 4 + byte;
  }
  const auto replace = [](const char* from, const char* to) {
    return Json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  const Json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  Json json;
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", "▁"}}, replace(" ", "▁")}}};
  json["decoder"] = {{"type", "Sequence"}, {"decoders", {replace("▁", " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}, strip}}};
  json["model"] = {{"vocab", vocab}, {"merges", {"▁ a"}}, {"byte_fallback", true}, {"unk_token", "<unk>"}};
  return load_small(json);
}

TEST(StreamDecoder, WaitsForTheEndOfARunOfByteTokens) {
  const Tokenizer tokenizer = fallback_tokenizer();
  const Ids ids = tokenizer.encode("a 世a");
  EXPECT_EQ(ids, (Ids{3, 1, 4 + 0xE4, 4 + 0xB8, 4 + 0x96, 2}));
  StreamDecoder stream(tokenizer);
  std::vector<string> parts;
  for (const int64_t id : ids) parts.push_back(stream.push(id));
  EXPECT_EQ(parts, (std::vector<string>{"a", " ", "", "", "", "世a"}));
  EXPECT_EQ(stream.finish(), "");
  // One byte too many spoils the whole run, so nothing of it may be shown before it ends.
  EXPECT_EQ(tokenizer.decode(Ids{4 + 0xE4, 4 + 0xB8, 4 + 0x96, 4 + 0xE4, 2}), "\uFFFD\uFFFD\uFFFD\uFFFDa");
}

TEST(StreamDecoder, StripsTheFirstSpaceOfATextOnly) {
  const Tokenizer tokenizer = fallback_tokenizer();
  EXPECT_EQ(tokenizer.decode(Ids{1, 1, 3}), "  a");
  StreamDecoder stream(tokenizer);
  for (int text = 0; text < 2; ++text) {
    EXPECT_EQ(stream.push(3), "a");
    EXPECT_EQ(stream.push(3), " a");
    EXPECT_EQ(stream.finish(), "");  // the next token begins a new text
  }
  EXPECT_EQ(stream.push(2), "a");  // no space here, so none is owed later
  EXPECT_EQ(stream.push(3), " a");
}

/// Whatever the ids, the parts of a stream are whole characters and make the text of all of them.
TEST(StreamDecoder, AgreesWithDecodingOnRandomIds) {
  for (const bool bytes : {false, true}) {
    const Tokenizer tokenizer = bytes ? load_small(small_tokenizer()) : fallback_tokenizer();
    uint32_t state = 5;
    for (int round = 0; round < 300; ++round) {
      Ids ids(1 + round % 17);
      for (int64_t& id : ids) id = ((state = state * 1664525U + 1013904223U) >> 8) % 260;
      StreamDecoder stream(tokenizer);
      string text;
      for (const int64_t id : ids) {
        const string part = stream.push(id);
        EXPECT_TRUE(is_utf8(part));
        text += part;
      }
      EXPECT_EQ(text + stream.finish(), tokenizer.decode(ids)) << Json(ids).dump();
    }
  }
}

string refused(const Json& decoder) {
  return error_of<FormatError>([&] { parse_decoder(decoder, "d"); });
}

TEST(Decoder, RefusesWhatItDoesNotKnowByName) {
  EXPECT_CONTAINS(refused({{"type", "CTC"}}), "d: decoder \"CTC\" is not supported");
  EXPECT_CONTAINS(refused({{"type", "Sequence"}, {"decoders", {{{"type", "Fuse"}}, {{"type", "BPEDecoder"}}}}}),
                  "d.decoders[1]: decoder \"BPEDecoder\"");
  EXPECT_CONTAINS(refused({{"type", "Sequence"}, {"decoders", {{{"type", "Fuse"}}, {{"type", "ByteFallback"}}}}}),
                  "\"ByteFallback\" after the tokens are fused");
  EXPECT_CONTAINS(refused({{"type", "Sequence"}, {"decoders", 3}}), "decoders must be an array");
  EXPECT_CONTAINS(refused({{"type", "Strip"}, {"content", "ab"}, {"start", 1}, {"stop", 0}}), "content must be one character");
  EXPECT_CONTAINS(refused({{"type", "Strip"}, {"content", ""}, {"start", 1}, {"stop", 0}}), "content must be one character");
  EXPECT_CONTAINS(refused({{"type", "Strip"}, {"content", " "}, {"start", -1}, {"stop", 0}}), "start must be from 0");
  EXPECT_CONTAINS(refused({{"type", "Metaspace"}, {"replacement", "__"}}), "replacement must be one character");
  EXPECT_CONTAINS(refused({{"type", "Replace"}, {"pattern", {{"String", ""}}}, {"content", "x"}}), "d.pattern: an empty pattern");
  Json deep = {{"type", "Fuse"}};
  for (int i = 0; i < 20; ++i) deep = {{"type", "Sequence"}, {"decoders", {deep}}};
  EXPECT_CONTAINS(refused(deep), "nest too deeply");
  EXPECT_CONTAINS(refused({{"type", "Sequence"}, {"decoders", Json(std::vector<Json>(40, Json{{"type", "Fuse"}}))}}),
                  "more than 32 decoders");
}

}  // namespace
}  // namespace hellora::testing
