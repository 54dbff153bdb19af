// A folder appears whole or not at all, and what an interrupted process left does not stand in the way.
#include "hellora/io/staged_folder.h"

#include <sys/wait.h>

#include "hellora/io/paths.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

TEST(StagedFolder, AppearsOnCommitAndLeavesNothingElse) {
  const TempFolder folder;
  StagedFolder staged(folder / "out");
  EXPECT_EQ(staged.path().parent_path(), real_path(folder.path()));
  EXPECT_EQ(staged.path().filename().string(), ".out.tmp-" + std::to_string(::getpid()));
  put_file(staged.path() / "file", "text");
  EXPECT_FALSE(path_exists(folder / "out"));
  staged.commit();
  EXPECT_EQ(slurp(folder / "out" / "file"), "text");
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(StagedFolder, VanishesWithoutCommit) {
  const TempFolder folder;
  {
    const StagedFolder staged(folder / "out");
    put_file(staged.path() / "file", "text");
  }
  EXPECT_EQ(folder.entries(), 0U);
}

TEST(StagedFolder, TakesTheNamesThatPeopleGive) {
  const TempFolder folder;
  make_folder(folder / "empty");
  put_file(folder / "file", "");
  EXPECT_CONTAINS(error_of<DataError>([&] { StagedFolder staged(folder / "file/out"); }), "file/out: ");
  for (const char* name : {"new/deep/out", "empty", "slash/", "dots/../dotted"}) {
    StagedFolder staged(folder / name);
    put_file(staged.path() / "file", name);
    staged.commit();
    EXPECT_EQ(slurp(real_path(folder / name) / "file"), name);
  }
  error_of<DataError>([] { StagedFolder staged("/"); });
}

TEST(StagedFolder, ReplacesOnlyWhenAsked) {
  const TempFolder folder;
  make_folder(folder / "out");
  put_file(folder / "out" / "old", "old");
  {
    StagedFolder staged(folder / "out");
    put_file(staged.path() / "new", "new");
    EXPECT_CONTAINS(error_of<DataError>([&] { staged.commit(); }), "cannot write");
  }
  EXPECT_EQ(slurp(folder / "out" / "old"), "old");
  StagedFolder staged(folder / "out");
  put_file(staged.path() / "new", "new");
  staged.commit(true);
  EXPECT_EQ(slurp(folder / "out" / "new"), "new");
  EXPECT_FALSE(path_exists(folder / "out" / "old"));
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(StagedFolder, ErrorsNameTheTarget) {
  const TempFolder folder;
  const auto failing = [&](const auto& error) {
    return [&folder, error] {
      write_staged(folder / "out", false, [&](const Path& inside) { throw std::decay_t<decltype(error)>(inside.string() + "/x: no"); });
    };
  };
  EXPECT_EQ(error_of<DataError>(failing(DataError(""))), (folder / "out").string() + "/x: no");
  EXPECT_EQ(error_of<CheckFailed>(failing(CheckFailed(""))), (folder / "out").string() + "/x: no");
  EXPECT_EQ(folder.entries(), 0U);
  write_staged(folder / "out", false, [](const Path& inside) { put_file(inside / "x", "yes"); });
  EXPECT_EQ(slurp(folder / "out" / "x"), "yes");
}

TEST(StagedFolder, RemovesWhatADeadProcessLeftAndNothingElse) {
  const TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const StagedFolder staged(folder / "out");
    ::_exit(0);  // as if killed: nothing is cleaned up
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(folder.entries(), 1U);
  make_folder(folder / (".out.tmp-" + std::to_string(::getpid())));  // of a container where this number was another's
  make_folder(folder / ".out.tmp-mine");
  make_folder(folder / ".other.tmp-1");
  put_file(folder / ".out.tmp-12", "a file");
  const StagedFolder live(folder / "other");
  StagedFolder(folder / "out").commit();
  EXPECT_TRUE(is_folder(folder / "out"));
  EXPECT_TRUE(is_folder(live.path()));
  EXPECT_EQ(folder.entries(), 4U);  // out, live, mine, the file
}

TEST(StagedFolder, LeavesALivingProcessAlone) {
  const TempFolder folder;
  int ready[2], done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  char byte = 0;
  const pid_t child = ::fork();
  if (child == 0) {
    const StagedFolder staged(folder / "out");
    byte = static_cast<char>(::write(ready[1], "x", 1));
    ::_exit(::read(done[0], &byte, 1) == 1 ? 0 : 1);
  }
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  StagedFolder(folder / "out").commit();
  EXPECT_EQ(folder.entries(), 2U);
  EXPECT_EQ(::write(done[1], "x", 1), 1);
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace hellora::testing
