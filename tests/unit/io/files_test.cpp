#include "hellora/io/files.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

TEST(ReadText, GivesTheBytes) {
  const TempFolder folder;
  const string text("a\0b\n\xFF", 5);
  EXPECT_EQ(read_text(put_file(folder / "x", text)), text);
  EXPECT_EQ(read_text(put_file(folder / "empty", "")), "");
}

TEST(ReadText, NamesPathAndReason) {
  const TempFolder folder;
  const string missing = error_of<DataError>([&] { read_text(folder / "none"); });
  EXPECT_CONTAINS(missing, "cannot read " + (folder / "none").string());
  EXPECT_CONTAINS(missing, "No such file");
  EXPECT_CONTAINS(error_of<DataError>([&] { read_text(folder.path()); }), "Is a directory");
}

TEST(ReadText, DoesNotWaitForAPipe) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  error_of<DataError>([&] { read_text(folder / "pipe"); });
}

TEST(MappedFile, MapsMovesAndDrops) {
  const TempFolder folder;
  const string text(3 * 65536 + 17, 'q');
  MappedFile first(put_file(folder / "x", text));
  const std::byte* address = first.bytes().data();
  MappedFile second(std::move(first));
  EXPECT_EQ(second.bytes().data(), address);
  MappedFile third(put_file(folder / "y", "y"));
  third = std::move(second);
  ASSERT_EQ(third.bytes().size(), text.size());
  third.drop(1, text.size());
  EXPECT_EQ(static_cast<char>(third.bytes()[70000]), 'q');  // dropped pages come back
  EXPECT_THROW(third.drop(0, text.size() + 1), std::logic_error);
  EXPECT_THROW(third.drop(2, 1), std::logic_error);
}

TEST(MappedFile, DropGivesPagesBack) {
  const TempFolder folder;
  const MappedFile file(put_file(folder / "x", string(1 << 20, 'q')));
  const auto resident_kb = [] {
    std::ifstream in("/proc/self/smaps_rollup");
    for (string line; std::getline(in, line);) {
      if (line.starts_with("Rss:")) return std::stol(line.substr(4));
    }
    return -1L;
  };
  unsigned sum = 0;
  for (size_t i = 0; i < file.bytes().size(); i += 4096) sum += static_cast<unsigned>(file.bytes()[i]);
  EXPECT_EQ(sum, 256U * 'q');
  const long before = resident_kb();
  if (before < 0) GTEST_SKIP() << "no /proc/self/smaps_rollup";
  file.drop(0, file.bytes().size());
  EXPECT_LT(resident_kb(), before - 512);
}

TEST(MappedFile, EmptyFileIsAnEmptySpan) {
  const TempFolder folder;
  const MappedFile file(put_file(folder / "x", ""));
  EXPECT_TRUE(file.bytes().empty());
  file.drop(0, 0);
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const TempFolder folder;
  EXPECT_CONTAINS(error_of<DataError>([&] { MappedFile file(folder.path()); }), "directory");
  EXPECT_CONTAINS(error_of<DataError>([&] { MappedFile file(folder / "none"); }), "No such file");
  EXPECT_CONTAINS(error_of<DataError>([&] { MappedFile file("/dev/null"); }), "not a regular file");
}

TEST(AtomicFile, ReplacesOnlyOnCommit) {
  const TempFolder folder;
  const Path path = put_file(folder / "x", "old");
  AtomicFile file(path);
  file.write("new ");
  file.write("text");
  EXPECT_EQ(slurp(path), "old");
  file.commit();
  EXPECT_EQ(slurp(path), "new text");
  EXPECT_EQ(folder.entries(), 1U);
  EXPECT_THROW(file.write("more"), std::logic_error);
  EXPECT_THROW(file.commit(), std::logic_error);
}

TEST(AtomicFile, LeavesNothingBehindWithoutCommit) {
  const TempFolder folder;
  {
    AtomicFile file(folder / "x");
    file.write("half");
    EXPECT_EQ(folder.entries(), 1U);
  }
  EXPECT_EQ(folder.entries(), 0U);
}

TEST(AtomicFile, TwoWritersOfOneNameDoNotMeet) {
  const TempFolder folder;
  AtomicFile one(folder / "x"), two(folder / "x");
  one.write("1");
  two.write("22");
  two.commit();
  one.commit();
  EXPECT_EQ(slurp(folder / "x"), "1");
}

TEST(AtomicFile, NamesTheFinalPathWhenTheFolderIsMissing) {
  const TempFolder folder;
  const string message = error_of<DataError>([&] { AtomicFile file(folder / "no/x"); });
  EXPECT_CONTAINS(message, "cannot write " + (folder / "no/x").string() + ": No such file");
  put_file(folder / "file", "");
  EXPECT_CONTAINS(error_of<DataError>([&] { AtomicFile file(folder / "file/x"); }), "Not a directory");
  EXPECT_CONTAINS(error_of<DataError>([&] { AtomicFile file(folder.path() / ""); }), "not the name of a file");
}

TEST(AtomicFile, CommitOntoAFolderFailsCleanly) {
  const TempFolder folder;
  make_folder(folder / "x/y");
  error_of<DataError>([&] { write_text_atomic(folder / "x", "text"); });
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(AtomicFile, UnwritableFolder) {
  const TempFolder folder;
  make_folder(folder / "locked");
  std::filesystem::permissions(folder / "locked", std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  const bool root = ::geteuid() == 0;  // root may write anywhere: become nobody for the attempt
  constexpr uid_t kNobody = 65534;
  if (root && ::seteuid(kNobody) != 0) GTEST_SKIP() << "cannot drop privileges";
  const string message = error_of<DataError>([&] { AtomicFile file(folder / "locked/x"); });
  if (root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_CONTAINS(message, "Permission denied");
}

/// Lowers the largest file this process may write, as a full disk would.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_{};
  void (*handler_)(int) = SIG_DFL;
};

TEST(AtomicFile, AFailedWriteKeepsTheOldFile) {
  const TempFolder folder;
  const Path path = put_file(folder / "x", "old");
  string message;
  {
    const SmallDisk limit(1000);
    message = error_of<DataError>([&] { write_text_atomic(path, string(5000, 'z')); });
  }
  EXPECT_CONTAINS(message, "cannot write " + path.string() + ": ");
  EXPECT_EQ(slurp(path), "old");
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(MakeFolder, MakesParentsAndRefusesAFile) {
  const TempFolder folder;
  make_folder(folder / "a/b/c");
  make_folder(folder / "a/b/c");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c"));
  put_file(folder / "file", "");
  EXPECT_CONTAINS(error_of<DataError>([&] { make_folder(folder / "file"); }), (folder / "file").string());
  EXPECT_CONTAINS(error_of<DataError>([&] { make_folder(folder / "file/x"); }), "Not a directory");
}

}  // namespace
}  // namespace hellora::testing
