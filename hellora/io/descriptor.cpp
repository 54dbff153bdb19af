#include "hellora/io/descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "hellora/core/error.h"
#include "hellora/io/map_guard.h"

namespace hellora {
namespace {

[[noreturn]] void refuse(const char* verb, const Path& path, const std::string& reason) {
  throw DataError(std::string("cannot ") + verb + " " + (path.empty() ? "\"\"" : path.string()) + ": " + reason);
}

void check_regular(const char* verb, const Path& path, const struct stat& status) {
  if (S_ISDIR(status.st_mode)) system_error(verb, path, EISDIR);
  if (!S_ISREG(status.st_mode)) refuse(verb, path, "not a regular file");
}

/// Git LFS leaves a small text with a fixed beginning in the place of each file that it has not downloaded.
bool is_lfs_pointer(int descriptor, off_t size) {
  constexpr std::string_view kBegin = "version https://git-lfs.github.com/spec/";
  constexpr off_t kLongest = 1024;  // by its specification
  std::array<char, kBegin.size()> begin{};
  return size <= kLongest && ::pread(descriptor, begin.data(), begin.size(), 0) == static_cast<ssize_t>(begin.size()) &&
         std::string_view(begin.data(), begin.size()) == kBegin;
}

}  // namespace

void system_error(const char* verb, const Path& path, int error) { refuse(verb, path, std::generic_category().message(error)); }

const char* system_name(const char* verb, const Path& path) {
  // The system would take what stands before the NUL for the name.
  if (path.native().find('\0') != std::string::npos) refuse(verb, path.native().substr(0, path.native().find('\0')), "a NUL in its name");
  return path.c_str();
}

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

int open_for_reading(const Path& path) {
  struct stat status {};
  // Looked at before it is opened: to open a device may do something already, and a socket cannot be opened.
  if (::stat(system_name("read", path), &status) != 0) system_error("read", path, errno);
  check_regular("read", path, status);
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) system_error("read", path, errno);
  check_regular("read", path, status);  // it may be another one by now
  if (is_lfs_pointer(file.get(), status.st_size)) {
    const char* what = path.extension() == ".safetensors" ? "the weights were" : "the file was";
    throw FormatError(path.string() + ": a Git LFS pointer: " + what + " not downloaded; `git lfs pull` in its folder fetches them");
  }
  return file.release();
}

int open_for_adding(const Path& path, bool keep) {
  struct stat status {};
  const auto check = [&] {
    if (!S_ISCHR(status.st_mode)) check_regular("write", path, status);  // a device takes lines as a file does; a pipe may stop the run
  };
  if (::stat(system_name("write", path), &status) == 0) check();
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | (keep ? O_APPEND : O_TRUNC), 0666));
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) system_error("write", path, errno);
  check();
  return file.release();
}

void write_all(int descriptor, std::span<const std::byte> bytes, const Path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EFAULT) check_map(bytes);  // the bytes are of a mapped file that is shorter now
    if (written < 0) system_error("write", path, errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

std::span<const std::byte> as_byte_span(std::string_view text) { return std::as_bytes(std::span<const char>(text.data(), text.size())); }

}  // namespace hellora
