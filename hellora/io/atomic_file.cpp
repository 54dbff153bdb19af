#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "hellora/core/error.h"
#include "hellora/io/descriptor.h"
#include "hellora/io/files.h"

namespace hellora {
namespace {

/// A name in the same folder that no other writer of this process uses.
Path temporary_name(const Path& path) {
  static std::atomic<uint64_t> counter{0};
  std::string name(1, '.');
  name.append(path.filename().string()).append(".tmp-").append(std::to_string(::getpid()));
  name.append("-").append(std::to_string(counter++));
  return path.parent_path() / name;
}

/// Makes the rename itself durable.
void sync_folder(const Path& path) {
  const Path folder = path.has_parent_path() ? path.parent_path() : Path(".");
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0) system_error("write", path, errno);
  // Some network and memory file systems cannot sync a folder and say so; the file itself is synced.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL && errno != ENOTSUP) system_error("write", path, errno);
}

}  // namespace

AtomicFile::AtomicFile(Path path) : path_(std::move(path)) {
  if (path_.filename().empty()) throw DataError("cannot write " + path_.string() + ": not the name of a file");
  constexpr int kAttempts = 100;  // a killed process of the same id may have left its files behind
  for (int attempt = 0; attempt < kAttempts && descriptor_ < 0; ++attempt) {
    temporary_ = temporary_name(path_);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) break;
  }
  if (descriptor_ < 0) system_error("write", path_, errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  HELLORA_CHECK(descriptor_ >= 0, "write after commit: " + path_.string());
  write_all(descriptor_, bytes, path_);
}

void AtomicFile::write(std::string_view text) { write(as_byte_span(text)); }

void AtomicFile::commit() {
  HELLORA_CHECK(descriptor_ >= 0, "committed twice: " + path_.string());
  if (::fsync(descriptor_) != 0) system_error("write", path_, errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) system_error("write", path_, errno);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) system_error("write", path_, errno);
  temporary_.clear();
  sync_folder(path_);
}

}  // namespace hellora
