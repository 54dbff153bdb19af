#include "hellora/io/descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "hellora/core/error.h"

namespace hellora {

void system_error(const char* verb, const Path& path, int error) {
  throw DataError(std::string("cannot ") + verb + " " + path.string() + ": " + std::generic_category().message(error));
}

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

int open_for_reading(const Path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) system_error("read", path, errno);
  struct stat status {};
  int error = ::fstat(descriptor, &status) != 0 ? errno : 0;
  if (error == 0 && S_ISDIR(status.st_mode)) error = EISDIR;
  if (error == 0 && S_ISFIFO(status.st_mode)) error = ESPIPE;
  if (error == 0) return descriptor;
  ::close(descriptor);
  system_error("read", path, error);
}

void write_all(int descriptor, std::span<const std::byte> bytes, const Path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) system_error("write", path, errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

std::span<const std::byte> as_byte_span(std::string_view text) { return std::as_bytes(std::span<const char>(text.data(), text.size())); }

}  // namespace hellora
