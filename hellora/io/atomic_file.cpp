#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <utility>

#include "hellora/core/error.h"
#include "hellora/io/descriptor.h"
#include "hellora/io/files.h"

namespace hellora {
namespace {

// The names of temporary files: ".NAME.tmp-PROCESS-NUMBER" in the folder of the file. Its writer holds a lock on it, which ends with
// the process however it ends, and which other machines and containers see where they share the folder; a process number would not do.

/// What the temporary names of a file begin with. A long name is cut, so that the whole stays a legal one.
std::string temporary_prefix(const Path& path) {
  constexpr size_t kLongest = 200;
  std::string prefix(1, '.');
  prefix.append(path.filename().native(), 0, kLongest).append(".tmp-");
  return prefix;
}

/// A name in the same folder that no other writer of this process uses.
Path temporary_name(const Path& path) {
  static std::atomic<uint64_t> counter{0};
  std::string name = temporary_prefix(path);
  name.append(std::to_string(::getpid())).append("-").append(std::to_string(counter++));
  return path.parent_path() / name;
}

Path folder_of(const Path& path) { return path.has_parent_path() ? path.parent_path() : Path("."); }

/// Removes the file when nobody holds its lock: then its writer was killed.
void remove_if_left(const Path& temporary) {
  const Descriptor file(::open(temporary.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() >= 0 && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(temporary.c_str());
}

/// What killed writers of this file left behind. No more than a service: a folder that cannot be read is no error here.
void remove_leftovers(const Path& path) {
  const std::string prefix = temporary_prefix(path);
  std::error_code error;
  std::filesystem::directory_iterator entry(folder_of(path), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().filename().native().starts_with(prefix)) remove_if_left(entry->path());
  }
}

/// Makes the rename itself durable.
void sync_folder(const Path& path) {
  const Descriptor descriptor(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0) system_error("write", path, errno);
  // Some network and memory file systems cannot sync a folder and say so; the file itself is synced.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL && errno != ENOTSUP) system_error("write", path, errno);
}

/// N for a path /proc/self/fd/N, however it is spelled (/dev/stdout and /dev/fd/N are links to it); -1 for others.
int own_descriptor(const Path& path) {
  std::error_code error;
  if (std::filesystem::canonical(folder_of(path), error) != Path("/proc") / std::to_string(::getpid()) / "fd") return -1;
  const std::string name = path.filename().string();
  int number = -1;
  const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), number);
  return wrong == std::errc() && end == name.data() + name.size() ? number : -1;
}

/// What an output is: the place that links lead to, or a descriptor that is written as it is.
struct Target {
  Path path;
  int stream = -1;
};

int open_stream(const Path& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (descriptor < 0 && errno == ENXIO) throw DataError("cannot write " + path.string() + ": nobody reads there");
  if (descriptor < 0) system_error("write", path, errno);
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);  // only the opening must not wait
  return descriptor;
}

/// One link further; false at what is none, or is not there.
bool follow(Path& path) {
  std::error_code error;
  const Path next = std::filesystem::read_symlink(path, error);
  if (!error) path = next.is_absolute() ? next : path.parent_path() / next;
  return !error;
}

/// Links are followed: what they lead to is written, not the link replaced. Pipes and character devices are streams.
Target find_target(Path path) {
  constexpr int kMostLinks = 40;  // as the system's own limit
  for (int links = 0; links < kMostLinks; ++links) {
    if (const int own = own_descriptor(path); own >= 0) {
      const int stream = ::fcntl(own, F_DUPFD_CLOEXEC, 0);
      if (stream < 0) system_error("write", path, errno);
      return {path, stream};
    }
    struct stat status {};
    const bool there = ::stat(path.c_str(), &status) == 0;
    if (there && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode))) return {path, open_stream(path)};
    if (there && S_ISDIR(status.st_mode)) system_error("write", path, EISDIR);
    if (there && !S_ISREG(status.st_mode)) throw DataError("cannot write " + path.string() + ": not a file, pipe or character device");
    if (!follow(path)) return {path};
  }
  system_error("write", path, ELOOP);
}

/// Takes the lock of a file just made; false when a cleaner was faster and has removed it.
bool keep_locked(int descriptor) {
  struct stat status {};
  if (::flock(descriptor, LOCK_EX) != 0) return true;  // no locks here: then cleaners get none either and leave the file alone
  return ::fstat(descriptor, &status) != 0 || status.st_nlink > 0;
}

}  // namespace

AtomicFile::AtomicFile(Path path) : path_(std::move(path)) {
  system_name("write", path_);
  if (path_.filename().empty()) throw DataError("cannot write " + path_.string() + ": not the name of a file");
  const Target target = find_target(path_);
  descriptor_ = target.stream;
  if (descriptor_ >= 0) return;
  path_ = target.path;
  remove_leftovers(path_);
  constexpr int kAttempts = 100;  // a process of the same number in another container may be at work here
  for (int attempt = 0; attempt < kAttempts && descriptor_ < 0; ++attempt) {
    const Path name = temporary_name(path_);
    descriptor_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) break;
    if (descriptor_ >= 0 && !keep_locked(descriptor_)) ::close(std::exchange(descriptor_, -1));
    temporary_ = name;
  }
  if (descriptor_ >= 0) return;
  temporary_.clear();
  system_error("write", path_, errno);
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  if (descriptor_ >= 0) ::close(descriptor_);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  HELLORA_CHECK(descriptor_ >= 0, "write after commit: " + path_.string());
  write_all(descriptor_, bytes, path_);
}

void AtomicFile::write(std::string_view text) { write(as_byte_span(text)); }

void AtomicFile::commit() {
  HELLORA_CHECK(descriptor_ >= 0, "committed twice: " + path_.string());
  const bool stream = temporary_.empty();
  if (!stream && ::fsync(descriptor_) != 0) system_error("write", path_, errno);
  // Renamed before it is closed: with the file its lock would go, and a cleaner might take it for a leftover.
  if (!stream && std::rename(temporary_.c_str(), path_.c_str()) != 0) system_error("write", path_, errno);
  temporary_.clear();
  if (::close(std::exchange(descriptor_, -1)) != 0) system_error("write", path_, errno);
  if (!stream) sync_folder(path_);
}

}  // namespace hellora
