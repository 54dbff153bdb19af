// Names of the hub and folders of its cache: found where they lie, explained where they do not.
#include "hellora/recipe/places.h"

#include <cstdlib>

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;
namespace fs = std::filesystem;

/// A cache with one model, and the environment that points at it.
class Places : public ::testing::Test {
 protected:
  Places() {
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"}) ::unsetenv(name);
    ::setenv("HF_HOME", folder_.path().c_str(), 1);
    ::setenv("HOME", "/nonexistent/home", 1);
    fs::create_directories(model_ / "refs");
    add("abc");
    put_file(model_ / "refs/main", "abc\n");
  }
  void add(const string& hash) {
    fs::create_directories(model_ / "snapshots" / hash);
    put_file(model_ / "snapshots" / hash / "config.json", "{}");
  }
  string refusal(const string& name) {
    return error_of<ConfigError>([&] { find_place(name, "--model"); });
  }
  TempFolder folder_;
  Path model_ = folder_ / "hub/models--org--name", main_ = model_ / "snapshots/abc";
};

TEST_F(Places, AHubNameIsLookedUpInTheCache) {
  EXPECT_EQ(find_place("org/name", "--model"), main_.string());
  ::setenv("HF_HUB_CACHE", (folder_ / "hub").c_str(), 1);
  ::setenv("HF_HOME", "/nonexistent", 1);
  EXPECT_EQ(find_place("org/name", "--model"), main_.string());
  ::unsetenv("HF_HUB_CACHE");
  ::unsetenv("HF_HOME");
  ::setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1);
  fs::create_directories(folder_ / "huggingface");
  fs::create_directory_symlink(folder_ / "hub", folder_ / "huggingface/hub");
  EXPECT_NE(find_place("org/name", "--model").find("snapshots/abc"), string::npos);
}

TEST_F(Places, AFolderOfTheCacheIsItsSnapshot) {
  EXPECT_EQ(find_place(model_.string(), "--model"), main_.string());
  EXPECT_EQ(find_place(main_.string(), "--model"), main_.string());
  add("def");
  EXPECT_EQ(find_place(model_.string(), "--model"), main_.string());  // refs/main decides
  fs::remove(model_ / "refs/main");
  EXPECT_CONTAINS(refusal(model_.string()), "several snapshots");
  put_file(model_ / "refs/main", "../../elsewhere");
  EXPECT_CONTAINS(refusal(model_.string()), "several snapshots");
  fs::remove_all(model_ / "snapshots");
  fs::create_directories(model_ / "snapshots");
  EXPECT_CONTAINS(refusal("org/name"), "the download was not finished");
}

TEST_F(Places, WhatIsNotThereIsExplained) {
  const string message = refusal("allenai/OLMoE-1B-7B-0924");
  EXPECT_CONTAINS(message, "--model: there is no folder allenai/OLMoE-1B-7B-0924");
  EXPECT_CONTAINS(message, "a local folder is needed: hf download allenai/OLMoE-1B-7B-0924 --local-dir");
  for (const char* plain : {"m", "/a/b", "./a/b", "a/b/c", "../a", "a b/c", ""}) EXPECT_EQ(find_place(plain, "--model"), plain);
  EXPECT_EQ(find_place(folder_.path().string(), "--model"), folder_.path().string());
}

TEST_F(Places, HomesOfOneself) {
  EXPECT_EQ(expand_home("~", "x"), "/nonexistent/home");
  EXPECT_EQ(expand_home("~/a", "x"), "/nonexistent/home/a");
  EXPECT_EQ(expand_home("a~/b", "x"), "a~/b");
  EXPECT_CONTAINS(error_of<ConfigError>([] { expand_home("~root/a", "here"); }), "here: ~root/a: homes of other users");
  ::unsetenv("HOME");
  EXPECT_CONTAINS(error_of<ConfigError>([] { expand_home("~/a", "here"); }), "$HOME is not set");
}

TEST_F(Places, DataIsAFile) {
  const auto refused = [](const string& name) { return error_of<ConfigError>([&] { check_data_file(name, "data.train"); }); };
  EXPECT_CONTAINS(refused("tatsu-lab/alpaca"), "data sets of the hub are not downloaded");
  EXPECT_CONTAINS(refused(folder_.path().string()), "is a folder; name its files");
  EXPECT_CONTAINS(refused(""), "an empty file name");
  for (const char* fine : {"a.jsonl", "data/a.jsonl", "5%", "/data/x"}) check_data_file(fine, "data.train");
}

}  // namespace
}  // namespace hellora::testing
