// Devices, pipes, sockets, links, files that shrink, files that somebody else put in their place.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <thread>

#include "hellora/io/descriptor.h"
#include "hellora/io/jsonl.h"
#include "hellora/io/map_guard.h"
#include "hellora/io/paths.h"
#include "hellora/io/safetensors.h"
#include "hellora/io/standard_output.h"
#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

void make_socket(const Path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.native().size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, path.c_str());
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

TEST(Reading, TakesRegularFilesOnly) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("pipe", (folder / "link").c_str()), 0);
  make_socket(folder / "socket");
  for (const Path& path : {folder / "pipe", folder / "link", folder / "socket", Path("/dev/null"), Path("/dev/zero")}) {
    const string wanted = "cannot read " + path.string() + ": not a regular file";
    EXPECT_EQ(error_of<DataError>([&] { read_text(path); }), wanted);
    EXPECT_EQ(error_of<DataError>([&] { MappedFile map(path); }), wanted);
    EXPECT_EQ(error_of<DataError>([&] { LineReader lines(path); }), wanted);
    EXPECT_EQ(error_of<DataError>([&] { SafetensorsFile file(path); }), wanted);
  }
  EXPECT_CONTAINS(error_of<DataError>([&] { JsonLines lines(folder / "pipe", true); }), "not a regular file");
}

TEST(Reading, APipeOnStandardInputIsRefusedAndAFileThereIsRead) {
  const TempFolder folder;
  put_file(folder / "file", "text");
  const Descriptor before(::dup(STDIN_FILENO));
  const Descriptor file(::open((folder / "file").c_str(), O_RDONLY));
  ::dup2(file.get(), STDIN_FILENO);
  EXPECT_EQ(read_text("/dev/stdin"), "text");
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::dup2(ends[0], STDIN_FILENO);
  EXPECT_CONTAINS(error_of<DataError>([] { read_text("/dev/stdin"); }), "not a regular file");
  ::dup2(before.get(), STDIN_FILENO);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Reading, ANulInANameIsNotItsEnd) {
  const TempFolder folder;
  put_file(folder / "x", "text");
  const Path name = string(folder / "x") + string("\0y", 2);
  for (const auto& action :
       std::vector<std::function<void()>>{[&] { read_text(name); }, [&] { write_text_atomic(name, ""); }, [&] { path_exists(name); },
                                          [&] { list_folder(name); }, [&] { make_folder(name); }, [&] { remove_tree(name); }})
    EXPECT_CONTAINS(error_of<DataError>(action), "a NUL in its name");
  EXPECT_EQ(slurp(folder / "x"), "text");
}

TEST(Reading, SaysWhatGitLfsLeftInAFilesPlace) {
  const TempFolder folder;
  const string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 5368709120\n";
  const Path weights = put_file(folder / "model.safetensors", pointer), tokens = put_file(folder / "tokenizer.json", pointer);
  EXPECT_CONTAINS(error_of<FormatError>([&] { SafetensorsFile file(weights); }),
                  weights.string() + ": a Git LFS pointer: the weights were not downloaded");
  EXPECT_CONTAINS(error_of<FormatError>([&] { read_text(tokens); }), tokens.string() + ": a Git LFS pointer: the file was not downloaded");
  const string longer = pointer + string(2000, 'x'), other = "version https://git-lfs.github.com/";
  EXPECT_EQ(read_text(put_file(folder / "a", longer)), longer);
  EXPECT_EQ(read_text(put_file(folder / "b", other)), other);
}

TEST(Output, APipeIsWrittenTo) {
  const TempFolder folder;
  const Path pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  ASSERT_EQ(::symlink("pipe", (folder / "link").c_str()), 0);
  EXPECT_CONTAINS(error_of<DataError>([&] { write_text_atomic(pipe, "x"); }), "nobody reads there");
  const Descriptor reader(::open(pipe.c_str(), O_RDONLY | O_NONBLOCK));
  write_text_atomic(pipe, "one");
  write_text_atomic(folder / "link", "two");
  string text(16, ' ');
  EXPECT_EQ(::read(reader.get(), text.data(), text.size()), 6);
  EXPECT_EQ(text.substr(0, 6), "onetwo");
  EXPECT_EQ(folder.entries(), 2U);
}

TEST(Output, ADeviceIsWrittenToAndStays) {
  const TempFolder folder;
  ASSERT_EQ(::symlink("/dev/null", (folder / "link").c_str()), 0);
  write_text_atomic("/dev/null", "x");
  write_text_atomic(folder / "link", "x");
  struct stat status {};
  ASSERT_EQ(::stat("/dev/null", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
  ASSERT_EQ(::lstat((folder / "link").c_str(), &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  if (::geteuid() == 0 && ::mknod((folder / "null").c_str(), S_IFCHR | 0600, 1 << 8 | 3) == 0) {
    try {
      write_text_atomic(folder / "null", "x");
    } catch (const DataError&) {  // where the folder's file system allows no devices
    }
    ASSERT_EQ(::stat((folder / "null").c_str(), &status), 0);
    EXPECT_TRUE(S_ISCHR(status.st_mode));
  }
  EXPECT_CONTAINS(error_of<DataError>([] { write_text_atomic("/dev/full", "x"); }), "cannot write /dev/full: No space left");
}

TEST(Output, ALinkStaysAndItsTargetIsWritten) {
  const TempFolder folder;
  make_folder(folder / "a");
  make_folder(folder / "b");
  put_file(folder / "b/file", "old");
  ASSERT_EQ(::symlink("../b/file", (folder / "a/link").c_str()), 0);
  ASSERT_EQ(::symlink("a/link", (folder / "chain").c_str()), 0);
  ASSERT_EQ(::symlink("b/new", (folder / "dangling").c_str()), 0);
  ASSERT_EQ(::symlink("loop", (folder / "loop").c_str()), 0);
  write_text_atomic(folder / "chain", "new");
  EXPECT_EQ(slurp(folder / "b/file"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "a/link") && std::filesystem::is_symlink(folder / "chain"));
  write_text_atomic(folder / "dangling", "made");
  EXPECT_EQ(slurp(folder / "b/new"), "made");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "dangling"));
  EXPECT_CONTAINS(error_of<DataError>([&] { write_text_atomic(folder / "loop", "x"); }), "cannot write ");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "loop"));
}

TEST(Output, ASocketOrAFolderIsRefused) {
  const TempFolder folder;
  make_socket(folder / "socket");
  EXPECT_CONTAINS(error_of<DataError>([&] { write_text_atomic(folder / "socket", "x"); }), "not a file, pipe or character device");
  EXPECT_CONTAINS(error_of<DataError>([&] { write_text_atomic(folder.path(), "x"); }), "Is a directory");
  EXPECT_EQ(folder.entries(), 1U);
}

/// Puts another file in descriptor 1 while it lives.
class Redirected {
 public:
  explicit Redirected(int to) : before_(::dup(STDOUT_FILENO)) {
    std::cout.flush();
    ::fflush(stdout);
    ::dup2(to, STDOUT_FILENO);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;
  ~Redirected() {
    ::fflush(stdout);
    ::dup2(before_.get(), STDOUT_FILENO);
  }

 private:
  Descriptor before_;
};

TEST(Output, StandardOutputAsAFileIsAddedTo) {
  const TempFolder folder;
  const Descriptor file(::open((folder / "out").c_str(), O_RDWR | O_CREAT, 0600));
  {
    const Redirected other(file.get());
    ASSERT_EQ(::write(STDOUT_FILENO, "head ", 5), 5);
    write_text_atomic("/dev/stdout", "one ");
    write_text_atomic("/dev/fd/1", "two");
  }
  EXPECT_EQ(slurp(folder / "out"), "head one two");
  EXPECT_EQ(folder.entries(), 1U);
}

TEST(StandardOutput, WritesWholeLinesAndSaysWhatFails) {
  const TempFolder folder;
  const Descriptor file(::open((folder / "out").c_str(), O_RDWR | O_CREAT, 0600)), full(::open("/dev/full", O_WRONLY));
  string seen, error, after;
  {
    const Redirected other(file.get());
    StandardOutput output;
    std::cout << "a line\nand a ";
    seen = slurp(folder / "out");
    std::cout << "half";
    output.finish();
    ::dup2(full.get(), STDOUT_FILENO);
    error = error_of<DataError>([] { std::cout << "lost\n"; });
    after = error_of<DataError>([&] {
      std::cout.clear();
      std::cout << "lost";
      output.finish();
    });
  }
  EXPECT_EQ(seen, "a line\nand a ");  // what came with the line break goes out with it
  EXPECT_EQ(slurp(folder / "out"), "a line\nand a half");
  EXPECT_EQ(error, "cannot write standard output: No space left on device");
  EXPECT_EQ(after, error);
}

TEST(StandardOutput, ABrokenPipeAndAClosedDescriptorAreErrors) {
  const auto handler = std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  string broken, closed;
  {
    const Redirected other(ends[1]);
    StandardOutput output;
    broken = error_of<DataError>([] { std::cout << "lost\n"; });
    std::cout.clear();
    ::close(STDOUT_FILENO);
    closed = error_of<DataError>([] { std::cout << "lost\n"; });
  }
  ::close(ends[1]);
  std::signal(SIGPIPE, handler);
  EXPECT_EQ(broken, "cannot write standard output: Broken pipe");
  EXPECT_EQ(closed, "cannot write standard output: Bad file descriptor");
}

size_t leftovers(const TempFolder& folder) {
  const std::vector<Path> all = list_folder(folder.path());
  return static_cast<size_t>(
      std::count_if(all.begin(), all.end(), [](const Path& one) { return one.filename().string().starts_with('.'); }));
}

TEST(Leftovers, OfAKilledWriterGoWithTheNextOne) {
  const TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile file(folder / "x");
    file.write("half");
    _exit(0);  // no destructor, as after kill -9
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ASSERT_EQ(leftovers(folder), 1U);
  put_file(folder / ".x.tmp-notes", "");     // by its name it is one
  put_file(folder / ".xy.tmp-1-0", "mine");  // of another file
  write_text_atomic(folder / "y", "other");
  EXPECT_EQ(leftovers(folder), 3U);
  write_text_atomic(folder / "x", "whole");
  EXPECT_EQ(leftovers(folder), 1U);
  EXPECT_EQ(slurp(folder / "x"), "whole");
}

TEST(Leftovers, OfALivingWriterStay) {
  const TempFolder folder;
  int ready[2], go[2];
  ASSERT_TRUE(::pipe(ready) == 0 && ::pipe(go) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile file(folder / "x");
    char byte = 0;
    [[maybe_unused]] ssize_t count = ::write(ready[1], "r", 1);
    count = ::read(go[0], &byte, 1);
    file.write("child");
    file.commit();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  write_text_atomic(folder / "x", "parent");
  EXPECT_EQ(leftovers(folder), 1U);
  ASSERT_EQ(::write(go[1], "g", 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(slurp(folder / "x"), "child");
  EXPECT_EQ(leftovers(folder), 0U);
}

TEST(AtomicFile, ALongNameIsStillAName) {
  const TempFolder folder;
  write_text_atomic(folder / string(255, 'n'), "text");
  EXPECT_EQ(slurp(folder / string(255, 'n')), "text");
}

void read_all(const MappedFile& map) {
  unsigned sum = 0;
  for (size_t i = 0; i < map.bytes().size(); i += 4096) sum += static_cast<unsigned>(map.bytes()[i]);
  _exit(static_cast<int>(sum % 2) + 50);
}

TEST(MapGuard, AFileThatShrinksIsOneLineAndTwo) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const TempFolder folder;
  EXPECT_EXIT(
      {
        install_map_guard();
        put_file(folder / "x", string(1 << 20, 'q'));
        MappedFile moved(folder / "x");
        const MappedFile map(std::move(moved));
        std::filesystem::resize_file(folder / "x", 100);
        std::thread([&] { read_all(map); }).join();
      },
      ::testing::ExitedWithCode(2), "^error: cannot read .*x: the file shrank while it was read.*\n$");
  EXPECT_EXIT(
      {
        install_map_guard();
        { const MappedFile other(put_file(folder / "y", string(1 << 20, 'q'))); }
        std::raise(SIGBUS);  // of another cause: as ever
        std::raise(SIGBUS);
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

TEST(MapGuard, ACopyOfAFileThatShrinksIsADataError) {
  const TempFolder folder;
  put_file(folder / "x", string(1 << 20, 'q'));
  const MappedFile map(folder / "x");
  std::filesystem::resize_file(folder / "x", 0);
  const string error = error_of<DataError>([&] {
    AtomicFile out(folder / "y");
    out.write(map.bytes());
  });
  EXPECT_CONTAINS(error, "cannot read " + (folder / "x").string() + ": the file shrank while it was read");
  EXPECT_EQ(folder.entries(), 1U);
}

}  // namespace
}  // namespace hellora::testing
