// What a tokenizer.json may hold, and that everything else is refused by name.
#include <map>

#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;

TEST(TokenizerLoad, RefusesUnknownComponentsByName) {
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["type"] = "Unigram"; }), "model type \"Unigram\" is not supported");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["normalizer"] = {{"type", "Lowercase"}}; }), "normalizer \"Lowercase\" is not supported");
  EXPECT_CONTAINS(refusal_of([](Json& j) {
                    j["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
                  }),
                  "pre-tokenizer \"BertPreTokenizer\" is not supported");
  for (const char* name : {"RobertaProcessing", "BertProcessing"}) {
    EXPECT_CONTAINS(refusal_of([&](Json& j) { j["post_processor"] = {{"type", name}}; }), string("post_processor \"") + name + "\"");
  }
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["decoder"] = {{"type", "WordPiece"}}; }), "decoder \"WordPiece\" is not supported");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["decoder"] = nullptr; }), "decoder \"none\"");
  EXPECT_CONTAINS(refusal_of([](Json& j) {
                    j["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, {{"type", "NFKC"}}}}};
                  }),
                  "normalizer.normalizers[1]: normalizer \"NFKC\" is not supported");
}

TEST(TokenizerLoad, RefusesBpeOptionsThatItDoesNotFollow) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    EXPECT_CONTAINS(refusal_of([&](Json& j) { j["model"][key] = "x"; }), string("BPE option ") + key + " is not supported");
  }
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["dropout"] = 0.1; }), "BPE option dropout");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["unk_token"] = "<nix>"; }), "unk_token \"<nix>\" is not in the vocabulary");
  Json harmless = small_tokenizer();
  harmless["model"]["dropout"] = nullptr;
  harmless["model"]["byte_fallback"] = false;
  harmless["model"]["unk_token"] = nullptr;
  EXPECT_EQ(load_small(harmless).encode("the"), Ids{257});
}

TEST(TokenizerLoad, RefusesBrokenVocabulariesAndMerges) {
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["vocab"] = Json::array(); }), "vocab must be an object");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["vocab"]["zz"] = -1; }), "id of token \"zz\"");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["vocab"]["zz"] = 1.5; }), "id of token \"zz\"");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["vocab"]["zz"] = UINT64_MAX; }), "id of token \"zz\"");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["vocab"]["zz"] = INT32_MAX; }), "from 0 to 2097151");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["vocab"]["zz"] = 7; }), "id 7 belongs to two tokens");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["merges"] = "t h"; }), "merges must be an array");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["merges"].push_back("th"); }), "merge 6 must be two tokens");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["merges"].push_back("q q"); }), "merge 6 names \"qq\"");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["merges"].push_back({"a", "b", "c"}); }), "merge 6 must be");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["model"]["merges"].push_back(4); }), "merge 6 must be");
}

TEST(TokenizerLoad, RefusesBrokenAddedTokens) {
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["added_tokens"] = Json::object(); }), "added_tokens must be an array");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["added_tokens"][0].erase("id"); }), "\"id\"");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["added_tokens"][0]["id"] = -3; }), "has an id out of range");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["added_tokens"][0]["id"] = 5; }), "id 5 belongs to two tokens");
  EXPECT_CONTAINS(refusal_of([](Json& j) { j["added_tokens"][0]["lstrip"] = "yes"; }), "\"lstrip\" must be");
}

TEST(TokenizerLoad, RefusesBrokenStages) {
  const auto split = [](const Json& pattern, const string& behavior) {
    return Json{{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}, {"invert", false}};
  };
  EXPECT_CONTAINS(refusal_of([&](Json& j) {
                    j["pre_tokenizer"] = split({{"Regex", "(["}}, "Isolated");
                  }),
                  "pre_tokenizer.pattern: a class in a pattern is not closed");
  EXPECT_CONTAINS(refusal_of([&](Json& j) { j["pre_tokenizer"] = split({{"Regex", "a)"}}, "Isolated"); }), "does not compile at position");
  EXPECT_CONTAINS(refusal_of([&](Json& j) { j["pre_tokenizer"] = split({{"String", ""}}, "Isolated"); }), "an empty pattern");
  EXPECT_CONTAINS(refusal_of([&](Json& j) { j["pre_tokenizer"] = split({{"Glob", "*"}}, "Isolated"); }), "a pattern must be");
  EXPECT_CONTAINS(refusal_of([&](Json& j) {
                    j["pre_tokenizer"] = split({{"String", "-"}}, "Scattered");
                  }),
                  "\"Scattered\" is not supported");
  EXPECT_CONTAINS(
      refusal_of([&](Json& j) {
        j["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {j["pre_tokenizer"], split({{"String", "-"}}, "Isolated")}}};
      }),
      "pre_tokenizer.pretokenizers[1]: Split after ByteLevel is not supported");
  EXPECT_CONTAINS(refusal_of([](Json& j) {
                    for (int depth = 0; depth < 20; ++depth)
                      j["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {j["pre_tokenizer"]}}};
                  }),
                  "nest too deeply");
}

/// Cut at any byte, the file is refused with its name; nothing crashes.
TEST(TokenizerLoad, RefusesEveryTruncation) {
  const string whole = small_tokenizer().dump();
  for (size_t length = 0; length < whole.size(); length += length < whole.size() - 40 ? 97 : 1) {
    EXPECT_CONTAINS(error_of<FormatError>([&] { load_text(whole.substr(0, length)); }), "tokenizer.json");
  }
  EXPECT_CONTAINS(error_of<FormatError>([] { load_text("[]"); }), "tokenizer.json");
  EXPECT_CONTAINS(error_of<FormatError>([] { load_text("{}"); }), "tokenizer.json");
  EXPECT_CONTAINS(error_of<FormatError>([] { Tokenizer::load("/nonexistent/folder"); }), "/nonexistent/folder");
}

/// Parts of a wrong type are a FormatError, never another exception.
TEST(TokenizerLoad, RefusesWrongTypesEverywhere) {
  for (const char* key : {"added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"}) {
    for (const Json& wrong : {Json(5), Json("text"), Json(true), Json::array({1}), Json::object({{"x", 1}})}) {
      EXPECT_CONTAINS(refusal_of([&](Json& j) { j[key] = wrong; }), "tokenizer.json");
    }
  }
  const Json sequence = {{"type", "Sequence"}, {"pretokenizers", 5}};
  EXPECT_CONTAINS(refusal_of([&](Json& j) { j["pre_tokenizer"] = sequence; }), "tokenizer.json");
  EXPECT_CONTAINS(refusal_of([&](Json& j) { j["post_processor"] = {{"type", "TemplateProcessing"}, {"single", "A"}}; }), "tokenizer.json");
}

TEST(TokenizerLoad, NamesSpecialTokensFromItsConfig) {
  const string text = small_tokenizer().dump();
  EXPECT_EQ(load_text(text).eos(), 300);  // without a config, the usual name
  EXPECT_EQ(load_text(text).bos(), std::nullopt);
  const Tokenizer named = load_text(text, R"({"eos_token":{"content":"the"},"bos_token":"<|endoftext|>","pad_token":null})");
  EXPECT_EQ(named.eos(), 257);
  EXPECT_EQ(named.bos(), 300);
  EXPECT_EQ(named.pad(), std::nullopt);
  EXPECT_CONTAINS(error_of<FormatError>([&] { load_text(text, R"({"bos_token":"<nix>"})"); }), "bos_token \"<nix>\" is not a token");
  EXPECT_EQ(load_text(text, R"({"pad_token":"<nix>"})").pad(), 301);  // a new one, after the last
}

/// A folder with the small tokenizer, without its end of text where `name` is given, and more files.
std::optional<int64_t> eos_of(const std::map<string, string>& files, const std::vector<string>& names = {"<|endoftext|>"}) {
  const TempFolder folder;
  Json json = small_tokenizer();
  json["added_tokens"] = Json::array();
  for (const string& name : names)
    json["added_tokens"].push_back({{"id", 300 + json["added_tokens"].size()}, {"content", name}, {"special", true}});
  put_file(folder / "tokenizer.json", json.dump());
  for (const auto& [name, text] : files) put_file(folder / name, text);
  const Tokenizer tokenizer = Tokenizer::load(folder.path());
  if (tokenizer.eos()) {
    EXPECT_EQ(tokenizer.end_of_text(), tokenizer.eos());
  }
  return tokenizer.eos();
}

TEST(TokenizerLoad, FindsTheEndOfTextInOtherFiles) {
  const string names = R"({"eos_token":"the"})", none = R"({"eos_token":null,"bos_token":"the"})";
  const string five = R"({"eos_token_id":5})", list = R"({"eos_token_id":[7,8]})";
  EXPECT_EQ(eos_of({{"tokenizer_config.json", names}, {"generation_config.json", list}, {"config.json", five}}), 257);
  EXPECT_EQ(eos_of({{"tokenizer_config.json", none}, {"generation_config.json", list}, {"config.json", five}}), 7);
  EXPECT_EQ(eos_of({{"generation_config.json", R"({"eos_token_id":null})"}, {"config.json", five}}), 5);
  EXPECT_EQ(eos_of({{"generation_config.json", R"({"eos_token_id":[]})"}, {"config.json", "{}"}}), 300);
  for (const char* name : {"<|endoftext|>", "</s>", "<|end_of_text|>", "<｜end▁of▁sentence｜>", "<eos>"})
    EXPECT_EQ(eos_of({}, {"x", name}), 301);
  const auto refused = [](const string& text) { return error_of<FormatError>([&] { eos_of({{"config.json", text}}); }); };
  EXPECT_CONTAINS(refused(R"({"eos_token_id":301})"), "config.json: eos_token_id 301 is no token");
  EXPECT_CONTAINS(refused(R"({"eos_token_id":-1})"), "config.json: eos_token_id -1 is no token");
  EXPECT_CONTAINS(refused(R"({"eos_token_id":"x"})"), "config.json: key \"eos_token_id\" must be an integer");
}

TEST(TokenizerLoad, SaysWhatItLookedForWhereNoEndOfTextIs) {
  EXPECT_EQ(eos_of({}, {"</s>", "<|endoftext|>"}), std::nullopt);  // which of them?
  Json json = small_tokenizer();
  json["added_tokens"][0]["special"] = false;  // then it is text
  const Tokenizer tokenizer = load_small(json);
  EXPECT_EQ(tokenizer.eos(), std::nullopt);
  const string error = error_of<FormatError>([&] { static_cast<void>(tokenizer.end_of_text()); });
  EXPECT_CONTAINS(
      error,
      "tokenizer.json: no end-of-text token: looked for eos_token in tokenizer_config.json and special_tokens_map.json, eos_token_id in "
      "generation_config.json and config.json");
  EXPECT_CONTAINS(error, "<｜end▁of▁sentence｜> <eos>; found none");
  json["added_tokens"][0]["special"] = true;
  json["added_tokens"].push_back({{"id", 301}, {"content", "</s>"}, {"special", true}});
  EXPECT_CONTAINS(error_of<FormatError>([&] { static_cast<void>(load_small(json).end_of_text()); }), "found <|endoftext|> and </s>");
}

TEST(Tokenizer, KnowsItsVocabulary) {
  const Tokenizer tokenizer = load_small(small_tokenizer());
  EXPECT_EQ(tokenizer.vocab_size(), 301);
  EXPECT_EQ(tokenizer.id_of("ing"), 259);
  EXPECT_EQ(tokenizer.id_of("<|endoftext|>"), 300);
  EXPECT_EQ(tokenizer.id_of("absent"), std::nullopt);
  EXPECT_CONTAINS(error_of<DataError>([&] { static_cast<void>(tokenizer.decode(Ids{299})); }), "token id 299");  // a hole
  EXPECT_CONTAINS(error_of<DataError>([&] { static_cast<void>(tokenizer.decode(Ids{301})); }), "token id 301");
  EXPECT_CONTAINS(error_of<DataError>([&] { static_cast<void>(tokenizer.decode(Ids{-1})); }), "token id -1");
  EXPECT_CONTAINS(error_of<DataError>([&] { static_cast<void>(tokenizer.encode("\xC3(")); }), "not valid UTF-8");
}

TEST(Tokenizer, PostProcessorsFollowEachOther) {
  const Json one = {{"type", "TemplateProcessing"},
                    {"single", {{{"SpecialToken", {{"id", "B"}}}}, {{"Sequence", {{"id", "A"}}}}}},
                    {"special_tokens", {{"B", {{"ids", {300}}}}}}};
  Json json = small_tokenizer();
  const auto with = [&](const Json& processors) {
    json["post_processor"] = {{"type", "Sequence"}, {"processors", processors}};
    return load_small(json).encode("the", true);
  };
  EXPECT_EQ(with({{{"type", "ByteLevel"}}, one}), (Ids{300, 257}));
  EXPECT_EQ(with(Json::array()), Ids{257});
  EXPECT_CONTAINS(error_of<FormatError>([&] { with({one, one}); }), "post_processor.processors[1]: a second TemplateProcessing");
  EXPECT_CONTAINS(error_of<FormatError>([&] { with(Json::array({{{"type", "BertProcessing"}}})); }), "post_processor \"BertProcessing\"");
  Json none = one;
  for (const int64_t id : {-5, 299, 301}) {  // below, in a hole, beyond
    Json wrong = one;
    wrong["special_tokens"]["B"]["ids"] = {id};
    EXPECT_CONTAINS(error_of<FormatError>([&] { with(Json::array({wrong})); }),
                    "tokenizer.json: post_processor: id " + std::to_string(id) + " is no token");
  }
  none["single"].erase(1);
  EXPECT_CONTAINS(error_of<FormatError>([&] { with(Json::array({none})); }), "exactly once, found it 0 times");
}

/// What is quadratic would take minutes here.
TEST(Tokenizer, LongTextsWithoutSpacesTakeNoLonger) {
  const Tokenizer tokenizer = load_small(small_tokenizer());
  EXPECT_EQ(tokenizer.encode(string(1 << 20, 'a')).size(), size_t{1} << 20);
  string text;
  for (int i = 0; i < (1 << 17); ++i) text += "thethingabc"[i % 11];
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  EXPECT_EQ(tokenizer.encode(string(1 << 20, '\n')).size(), size_t{1} << 20);
}

}  // namespace
}  // namespace hellora::testing
