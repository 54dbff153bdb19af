// Thin checks around POSIX file descriptors, shared by the files of this folder.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "hellora/io/files.h"

namespace hellora {

/// A DataError "cannot VERB PATH: the system's reason", from the given errno value.
[[noreturn]] void system_error(const char* verb, const Path& path, int error);

/// Closes the descriptor when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();
  int get() const { return value_; }
  /// Leaves the closing to the caller.
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

/// The path as the system takes it; DataError "cannot VERB …" for one with a NUL inside.
const char* system_name(const char* verb, const Path& path);

/// Opens a regular file for reading. Pipes, sockets and devices are refused at once ("not a regular file"; /dev/stdin is fine where
/// it is a file), and so is what Git LFS has put in a file's place (FormatError).
int open_for_reading(const Path& path);

/// Opens a regular file, made where there is none, or a character device, to write at its end; without `keep` it is emptied first.
int open_for_adding(const Path& path, bool keep);

/// Writes everything, through interruptions and short writes; DataError "cannot write `path`: …".
void write_all(int descriptor, std::span<const std::byte> bytes, const Path& path);

std::span<const std::byte> as_byte_span(std::string_view text);

}  // namespace hellora
