// What goes along with a rewritten model, and what must be the same beside its weights.
#include "hellora/core/json.h"
#include "hellora/export/same_settings.h"
#include "hellora/model/model_files.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

namespace fs = std::filesystem;

TEST(ModelFiles, AreKnownNamesAndRegularFilesOnly) {
  const TempFolder folder;
  const Path model = folder / "model";
  fs::create_directories(model / "additional_chat_templates");
  fs::create_directories(model / "vocab.json");  // a folder of a known name
  for (const char* name :
       {"tokenizer.json", "LICENSE", "config.json", "model.safetensors", "pytorch_model.bin", "optimizer.pt", "notes.txt", "private.json",
        "README.md", "run.py", "additional_chat_templates/tool_use.jinja", "additional_chat_templates/other.txt"}) {
    put_file(model / name, "{}");
  }
  put_file(folder / "secret", "secret");
  put_file(folder / "blob", "{\"a\": 1}");
  fs::create_symlink("../secret", model / "extra.txt");
  fs::create_symlink("../secret", model / "weights.json");
  fs::create_symlink("../blob", model / "tokenizer_config.json");  // as a hub cache keeps its files
  fs::create_symlink("nowhere", model / "merges.txt");
  fs::create_symlink("/dev/null", model / "vocab.txt");
  const std::vector<std::string> want = {"LICENSE", "additional_chat_templates/tool_use.jinja", "tokenizer.json", "tokenizer_config.json"};
  EXPECT_EQ(model_files(model), want);
  copy_model_files(model, folder / "out");
  EXPECT_EQ(slurp(folder / "out" / "tokenizer_config.json"), "{\"a\": 1}");
  EXPECT_FALSE(fs::is_symlink(folder / "out" / "tokenizer_config.json"));
  EXPECT_TRUE(fs::exists(folder / "out" / "additional_chat_templates" / "tool_use.jinja"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "out"), fs::directory_iterator()), 4);
}

/// The difference that `change` makes to a copy of a model folder.
std::string difference_after(const std::function<void(const Path& base, const Path& other)>& change) {
  const TempFolder folder;
  for (const char* name : {"base", "other"}) {
    make_folder(folder / name);
    put_file(folder / name / "config.json", R"({"rope_theta": 10000.0, "torch_dtype": "bfloat16", "eos_token_id": [1, 2], "tie": false})");
    put_file(folder / name / "tokenizer.json", R"({"model": {"vocab": {"a": 0, "b": 1}}})");
    put_file(folder / name / "chat_template.jinja", "{{ x }}");
  }
  change(folder / "base", folder / "other");
  return settings_difference(folder / "base", folder / "other");
}

std::string difference_of(const char* config) {
  return difference_after([&](const Path&, const Path& other) { put_file(other / "config.json", config); });
}

TEST(SettingsDifference, IsNoneForWhatChangesNothing) {
  EXPECT_EQ(difference_after([](const Path&, const Path&) {}), "");
  EXPECT_EQ(difference_of(R"({"eos_token_id": [1, 2], "rope_theta": 10000, "dtype": "float32", "transformers_version": "5", "pad": null})"),
            "");
  EXPECT_EQ(difference_after([](const Path&, const Path& other) {
              put_file(other / "tokenizer.json", R"({ "model": {"vocab": {"b": 1, "a": 0}} })");
              put_file(other / "README.md", "a card");
              put_file(other / "LICENSE", "ours");
            }),
            "");
}

TEST(SettingsDifference, NamesFileKeyAndBothValues) {
  EXPECT_EQ(difference_of(R"({"eos_token_id": [1, 2], "rope_theta": 500000.0, "tie": false})"),
            "config.json: rope_theta is 500000.0, the base has 10000.0");
  EXPECT_EQ(difference_of(R"({"eos_token_id": [2, 1], "rope_theta": 10000.0})"), "config.json: eos_token_id is [2,1], the base has [1,2]");
  EXPECT_EQ(difference_of(R"({"rope_theta": 10000.0})"), "config.json: eos_token_id is absent, the base has [1,2]");
  EXPECT_EQ(difference_of(R"({"eos_token_id": [1, 2], "rope_theta": 10000.0, "tie": true})"),
            "config.json: tie is true, the base has false");
  EXPECT_EQ(difference_of(R"({"eos_token_id": [1, 2], "rope_theta": 10000.0, "window": 8})"),
            "config.json: window is 8, the base has absent");
  const auto other_file = [](const char* name, const char* text) {
    return difference_after([&](const Path&, const Path& other) { put_file(other / name, text); });
  };
  EXPECT_EQ(other_file("chat_template.jinja", "{{ y }}"), "chat_template.jinja: differs from the base's");
  EXPECT_EQ(other_file("tokenizer.json", R"({"model": {"vocab": {"a": 1, "b": 0}}})").substr(0, 21), "tokenizer.json: model");
  EXPECT_EQ(other_file("generation_config.json", "{}"), "generation_config.json: the base has none");
  EXPECT_EQ(difference_after([](const Path&, const Path& other) { fs::remove(other / "tokenizer.json"); }), "tokenizer.json: is missing");
}

}  // namespace
}  // namespace hellora::testing
