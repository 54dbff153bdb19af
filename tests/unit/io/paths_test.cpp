#include "hellora/io/paths.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hellora/core/error.h"
#include "tests/support/helpers.h"

namespace hellora {
namespace {

class Paths : public ::testing::Test {
 protected:
  hellora::testing::TempFolder dir_;
  Path at(const std::string& name) const { return dir_.path() / name; }
};

TEST_F(Paths, TellFilesFoldersAndOthersApart) {
  write_text_atomic(at("file"), "x");
  make_folder(at("folder"));
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("file", at("link").c_str()), 0);
  ASSERT_EQ(::symlink("nowhere", at("dangling").c_str()), 0);
  EXPECT_TRUE(is_file(at("file")) && is_file(at("link")) && is_folder(at("folder")) && path_exists(at("pipe")));
  EXPECT_FALSE(is_file(at("pipe")) || is_file(at("folder")) || is_folder(at("file")) || path_exists(at("dangling")) ||
               path_exists(at("file") / "x"));
  EXPECT_TRUE(same_place(at("file"), at("link")));
  EXPECT_FALSE(same_place(at("file"), at("folder")) || same_place(at("dangling"), at("dangling")));
  EXPECT_EQ(list_folder(dir_.path()), (std::vector<Path>{at("dangling"), at("file"), at("folder"), at("link"), at("pipe")}));
}

TEST_F(Paths, WhatTheSystemRefusesIsOneLineOfDataError) {
  ASSERT_EQ(::symlink("loop", at("loop").c_str()), 0);
  const Path longer = at(std::string(300, 'x'));
  for (const auto& question : {path_exists, is_file, is_folder}) {
    EXPECT_THROW(question(at("loop")), DataError);
    EXPECT_THROW(question(longer), DataError);
  }
  EXPECT_THROW(list_folder(at("nowhere")), DataError);
  EXPECT_THROW(rename_path(at("nowhere"), at("there")), DataError);
  EXPECT_THROW(real_path(at("loop") / "x"), DataError);
}

TEST_F(Paths, LiesInsideLooksThroughLinksAndDots) {
  make_folder(at("run/inner"));
  ASSERT_EQ(::symlink("run", at("alias").c_str()), 0);
  EXPECT_TRUE(lies_inside(at("alias/inner"), at("run")) && lies_inside(at("run"), at("run")) && lies_inside(at("run/new/x"), at("alias/")));
  EXPECT_TRUE(lies_inside(at("run/inner/../x"), at("run")) && lies_inside("here", "."));
  EXPECT_FALSE(lies_inside(at("running"), at("run")) || lies_inside(at("run/.."), at("run")));
}

TEST_F(Paths, RemovingATreeLeavesWhatItsLinksPointAt) {
  make_folder(at("kept"));
  write_text_atomic(at("kept") / "file", "x");
  make_folder(at("tree/deep"));
  ASSERT_EQ(::symlink(at("kept").c_str(), (at("tree") / "link").c_str()), 0);
  remove_tree(at("tree"));
  remove_tree(at("tree"));
  remove_path(at("nowhere"));
  EXPECT_FALSE(path_exists(at("tree")));
  EXPECT_TRUE(is_file(at("kept") / "file"));
}

}  // namespace
}  // namespace hellora
