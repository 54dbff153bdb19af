// What stands beside tokenizer.json. The rows follow transformers 5.24.
#include "hellora/text/tokenizer_config.h"

#include <sys/stat.h>

#include "tests/unit/text/small.h"

namespace hellora::testing {
namespace {

using std::string;
using Files = std::map<string, string>;

Tokenizer load(const Files& files) {
  const TempFolder folder;
  put_file(folder / "tokenizer.json", small_tokenizer().dump());
  for (const auto& [name, text] : files) put_file(folder / name, text);
  return Tokenizer::load(folder.path());
}

string refusal(const Files& files) {
  return error_of<FormatError>([&] { load(files); });
}

TEST(TokenizerConfig, TheOlderFileNamesSpecialTokens) {
  const string map = R"({"bos_token":"<|endoftext|>","eos_token":{"content":"the","lstrip":false}})";
  const Tokenizer alone = load({{"special_tokens_map.json", map}});
  EXPECT_EQ(alone.bos(), 300);
  EXPECT_EQ(alone.eos(), 257);
  EXPECT_EQ(load({{"special_tokens_map.json", map}, {"tokenizer_config.json", R"({"eos_token":"<|endoftext|>"})"}}).eos(), 257);
  // With added_tokens_decoder it is not read.
  EXPECT_EQ(load({{"special_tokens_map.json", map}, {"tokenizer_config.json", R"({"added_tokens_decoder":{}})"}}).bos(), std::nullopt);
  EXPECT_EQ(load({{"special_tokens_map.json", R"({"bos_token":null})"}, {"tokenizer_config.json", R"({"bos_token":"the"})"}}).bos(),
            std::nullopt);
  EXPECT_CONTAINS(refusal({{"special_tokens_map.json", R"({"bos_token":5})"}}),
                  "special_tokens_map.json: bos_token must be a token's text");
  EXPECT_CONTAINS(refusal({{"special_tokens_map.json", "[]"}}), "special_tokens_map.json: expected a JSON object");
  EXPECT_CONTAINS(refusal({{"special_tokens_map.json", R"({"eos_token":"nix"})"}}), "eos_token \"nix\" is not a token");
}

/// A token of the vocabulary that these files name is cut out of a text, as an added token is.
TEST(TokenizerConfig, NamedTokensAreAdded) {
  const Ids bc = load({}).encode("abc");
  EXPECT_EQ(load({}).encode("ab"), Ids{260});
  EXPECT_EQ(bc, (Ids{260, 'c'}));  // "ab" is merged first
  for (const Files& files :
       {Files{{"tokenizer_config.json", R"({"bos_token":"bc"})"}}, Files{{"special_tokens_map.json", R"({"cls_token":"bc"})"}},
        Files{{"tokenizer_config.json", R"({"additional_special_tokens":["bc"]})"}},
        Files{{"special_tokens_map.json", R"({"additional_special_tokens":[{"content":"bc"}]})"}},
        Files{{"tokenizer_config.json", R"({"extra_special_tokens":{"own_token":"bc"}})"}},
        Files{{"tokenizer_config.json", R"({"image_token":"bc"})"}}, Files{{"added_tokens.json", R"({"bc":261})"}},
        Files{{"tokenizer_config.json", R"({"added_tokens_decoder":{"261":{"content":"bc","special":false}}})"}}}) {
    EXPECT_EQ(load(files).encode("abc"), (Ids{'a', 261})) << files.begin()->second;
  }
  EXPECT_EQ(load({{"tokenizer_config.json", R"({"added_tokens_decoder":{}})"}, {"added_tokens.json", R"({"bc":261})"}}).encode("abc"), bc);
}

TEST(TokenizerConfig, OptionsOfDeclaredTokensHold) {
  const string text = "a <|endoftext|> a";
  EXPECT_EQ(load({}).encode(text), (Ids{'a', ' ', 300, ' ', 'a'}));
  const auto declared = [](const string& options) {
    return Files{
        {"tokenizer_config.json", R"({"added_tokens_decoder":{"300":{"content":"<|endoftext|>","special":true)" + options + "}}}"}};
  };
  EXPECT_EQ(load(declared(R"(,"lstrip":true,"rstrip":true)")).encode(text), (Ids{'a', 300, 'a'}));
  EXPECT_EQ(load(declared("")).encode(text), (Ids{'a', ' ', 300, ' ', 'a'}));
}

TEST(TokenizerConfig, NewTokensFollowTheLast) {
  EXPECT_EQ(load({{"tokenizer_config.json", R"({"pad_token":"<pad>"})"}}).encode("<pad>"), Ids{301});
  EXPECT_EQ(load({{"added_tokens.json", R"({"<x>":301,"<y>":302})"}}).encode("<y><x>"), (Ids{302, 301}));
  EXPECT_CONTAINS(refusal({{"added_tokens.json", R"({"<x>":400})"}}),
                  "added token \"<x>\" has the id 400, and with tokenizer.json it would have 301");
  EXPECT_CONTAINS(refusal({{"tokenizer_config.json", R"({"added_tokens_decoder":{"x":{"content":"<x>"}}})"}}), "\"x\" is no token id");
  EXPECT_CONTAINS(refusal({{"tokenizer_config.json", R"({"added_tokens_decoder":{"-1":{"content":"<x>"}}})"}}), "\"-1\" is no token id");
}

TEST(TokenizerConfig, KeysThatWouldChangeTokensAreRefused) {
  for (const char* key :
       {"split_special_tokens", "fix_mistral_regex", "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"})
    EXPECT_CONTAINS(refusal({{"tokenizer_config.json", string("{\"") + key + "\":true}"}}),
                    string("tokenizer_config.json: key \"") + key + "\" is true");
  const Tokenizer harmless =
      load({{"tokenizer_config.json",
             R"({"split_special_tokens":false,"add_bos_token":true,"add_eos_token":true,"clean_up_tokenization_spaces":true,
      "tokenizer_class":"LlamaTokenizer","legacy":false,"model_max_length":1e30,"bos_token":"<|endoftext|>"})"}});
  EXPECT_EQ(harmless.encode("the", true), Ids{257});  // what stands around a text is tokenizer.json's to say
}

/// A pipe among the files would be waited for without end.
TEST(TokenizerConfig, PipesAreRefused) {
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json"}) {
    const TempFolder folder;
    if (string(name) != "tokenizer.json") put_file(folder / "tokenizer.json", small_tokenizer().dump());
    ASSERT_EQ(::mkfifo((folder / name).c_str(), 0600), 0);
    EXPECT_CONTAINS(error_of<DataError>([&] { Tokenizer::load(folder.path()); }), string("cannot read ") + (folder / name).string());
  }
}

}  // namespace
}  // namespace hellora::testing
