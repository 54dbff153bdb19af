// Thin checks around POSIX file descriptors, shared by the files of this folder.
#pragma once

#include <cstddef>
#include <span>
#include <string>

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

 private:
  int value_;
};

/// Opens for reading; DataError "cannot read …" when that fails or the path is a directory. Never blocks on a pipe.
int open_for_reading(const Path& path);

/// Writes everything, through interruptions and short writes; DataError "cannot write `path`: …".
void write_all(int descriptor, std::span<const std::byte> bytes, const Path& path);

std::span<const std::byte> as_byte_span(std::string_view text);

}  // namespace hellora
